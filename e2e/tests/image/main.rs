//! The image that `make image` made, held against what it promises: `HELIOS_E2E_IMAGE` is the archive.

#![allow(clippy::unwrap_used)]

mod archive;

use archive::Archive;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The image, or a word that there is none.
fn image() -> Option<Archive> {
    let Some(path) = std::env::var_os("HELIOS_E2E_IMAGE") else {
        eprintln!("SKIPPED: HELIOS_E2E_IMAGE names no archive: make image");
        return None;
    };
    // Cargo runs tests in their crate's directory.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    Some(Archive::read(&path).unwrap())
}

fn repository(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap()
}

/// The value after `key` on the line that begins with it.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap();
    line.trim().trim_matches('"')
}

#[test]
fn every_reader_finds_the_name_that_the_chart_asks_for() {
    let Some(image) = image() else { return };
    let (chart, values) = (
        repository("charts/helios/Chart.yaml"),
        repository("charts/helios/values.yaml"),
    );
    let (_, of_image) = values.split_once("\nimage:\n").unwrap();
    let name = format!(
        "{}:{}",
        value(of_image, "  repository:"),
        value(&chart, "appVersion:")
    );
    // `docker load` and `kind load image-archive` go by this.
    assert_eq!(
        image.docker["RepoTags"],
        serde_json::json!([name]),
        "{:?}",
        image.docker
    );
    // containerd by this, which is the name that kubelet makes of the short one.
    let full = &image.index["annotations"]["io.containerd.image.name"];
    assert_eq!(full, &format!("docker.io/library/{name}"));
    // Both are the same image.
    let config = image.manifest["config"]["digest"].as_str().unwrap();
    assert_eq!(
        image.docker["Config"],
        format!("blobs/sha256/{}", config.trim_start_matches("sha256:"))
    );
    let layers = image.manifest["layers"].as_array().unwrap();
    let docker = image.docker["Layers"].as_array().unwrap();
    assert_eq!(layers.len(), docker.len());
    let ids = image.config["rootfs"]["diff_ids"].as_array().unwrap();
    let digests: Vec<_> = layers.iter().map(|l| &l["digest"]).collect();
    // They are not compressed.
    assert_eq!(digests, ids.iter().collect::<Vec<_>>());
}

#[test]
fn it_runs_as_nobody_and_starts_the_program() {
    let Some(image) = image() else { return };
    let config = &image.config["config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/bin/helios"]));
    assert_eq!(image.config["os"], "linux");
    let passwd = fs::read_to_string(image.file("etc/passwd")).unwrap();
    assert!(passwd.contains("nonroot:x:65532:65532:"), "{passwd}");
    // Nobody can change anything in it, and no file gives somebody else's rights.
    for (path, mode) in &image.modes {
        let writable = if path == "tmp" { 0o1777 } else { 0o755 };
        assert_eq!(mode & !writable, 0, "{path}: {mode:o}");
    }
    assert!(!image.modes.iter().any(|(p, _)| p.ends_with("/sh")));
}

#[test]
fn it_has_what_tls_and_scanners_look_for() {
    let Some(image) = image() else { return };
    let bundle = fs::read_to_string(image.file("etc/ssl/certs/ca-certificates.crt")).unwrap();
    let begin = bundle.matches("-----BEGIN CERTIFICATE-----").count();
    assert!(begin > 100, "{begin} certificates");
    assert_eq!(begin, bundle.matches("-----END CERTIFICATE-----").count());
    // One that does not begin on a line of its own is none.
    assert!(bundle.lines().all(|l| {
        let marks = ["-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"];
        !l.contains("-----") || marks.contains(&l)
    }));
    let release = fs::read_to_string(image.file("etc/os-release")).unwrap();
    assert!(release.contains("ID=debian"), "{release}");
    assert!(image.file("usr/share/doc/helios/copyright").is_file());
    for package in ["libc6", "libgcc-s1", "libstdc++6", "ca-certificates"] {
        let status = fs::read_to_string(image.file("var/lib/dpkg/status.d").join(package));
        assert!(
            status
                .unwrap()
                .starts_with(&format!("Package: {package}\n"))
        );
    }
}

#[test]
fn it_is_small_and_leaves_room_for_a_models_runtime() {
    let Some(image) = image() else { return };
    let out = run(Command::new("du").args(["-s", "-B1"]).arg(image.root()));
    let size: u64 = said(&out)
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap();
    println!("unpacked: {:.1} MB", size as f64 / 1e6);
    // 120 MB with the ONNX runtime, which is 35.
    assert!(size <= 120_000_000 - 35_000_000, "{size}");
    for library in ["libstdc++.so.6", "libgcc_s.so.1"] {
        assert!(has_library(&image, library), "{library}");
    }
}

#[test]
fn the_program_asks_for_no_newer_glibc_and_finds_its_libraries() {
    let Some(image) = image() else { return };
    let out = run(Command::new("readelf")
        .args(["-hdVW"])
        .arg(image.file("usr/bin/helios"))
        .env("LC_ALL", "C"));
    let text = said(&out);
    let versions: BTreeSet<(u32, u32)> = text
        .split("GLIBC_")
        .skip(1)
        .filter_map(|rest| {
            let version = rest.split_whitespace().next()?;
            let mut parts = version.split('.').map_while(|p| p.parse().ok());
            Some((parts.next()?, parts.next()?))
        })
        .collect();
    let newest = *versions.last().unwrap();
    println!("needs glibc {}.{}", newest.0, newest.1);
    assert!(newest <= (2, 28), "{versions:?}");
    let machine = match image.config["architecture"].as_str().unwrap() {
        "amd64" => "X86-64",
        "arm64" => "AArch64",
        other => panic!("{other}"),
    };
    assert!(text.contains(machine), "{text}");
    let needed = text
        .lines()
        .filter(|l| l.contains("(NEEDED)"))
        .filter_map(|l| l.split_once('[')?.1.split(']').next());
    for library in needed {
        assert!(has_library(&image, library), "{library}");
    }
}

#[test]
fn the_list_of_parts_names_each() {
    let Some(image) = image() else { return };
    let inside = fs::read_to_string(image.file("usr/share/doc/helios/sbom.spdx.json")).unwrap();
    let beside = image.path.with_extension("sbom.spdx.json");
    assert_eq!(inside, fs::read_to_string(beside).unwrap());
    let sbom: Value = serde_json::from_str(&inside).unwrap();
    assert_eq!(sbom["spdxVersion"], "SPDX-2.3");
    let packages = sbom["packages"].as_array().unwrap();
    let urls: BTreeSet<&str> = packages
        .iter()
        .filter_map(|p| p["externalRefs"][0]["referenceLocator"].as_str())
        .collect();
    let ids: BTreeSet<&str> = packages
        .iter()
        .filter_map(|p| p["SPDXID"].as_str())
        .collect();
    assert_eq!(ids.len(), packages.len(), "an id stands for one part");
    let architecture = image.config["architecture"].as_str().unwrap();
    for line in repository("tools/image/debian.lock").lines() {
        let words: Vec<_> = line.split(' ').collect();
        let [name, version, of, sum, _] = words[..] else {
            continue;
        };
        if ![architecture, "all"].contains(&of) {
            continue;
        }
        let escaped = |word: &str| word.replace('+', "%2B");
        let url = format!("pkg:deb/debian/{}@{}?", escaped(name), escaped(version));
        assert!(urls.iter().any(|u| u.starts_with(&url)), "{url}");
        assert!(
            packages
                .iter()
                .any(|p| p["checksums"][0]["checksumValue"] == sum)
        );
    }
    // Every crate with the version of the lock; the program's own ones too, and none that only tests need.
    let lock = repository("Cargo.lock");
    let crates: Vec<_> = packages
        .iter()
        .filter(|p| p["SPDXID"].as_str().unwrap().starts_with("SPDXRef-crate-"))
        .map(|p| {
            (
                p["name"].as_str().unwrap(),
                p["versionInfo"].as_str().unwrap(),
            )
        })
        .collect();
    for (name, version) in &crates {
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(lock.contains(&entry), "{name} {version}");
    }
    println!(
        "{} crates of {}",
        crates.len(),
        lock.matches("[[package]]").count()
    );
    for name in [
        "helios-operator",
        "kube-client",
        "async-nats",
        "ring",
        "tokio",
    ] {
        assert!(crates.iter().any(|(n, _)| n == &name), "{name}");
    }
    for name in ["proptest", "helios-e2e", "rcgen", "serde_derive"] {
        assert!(!crates.iter().any(|(n, _)| n == &name), "{name}");
    }
    let (sum, _) = said(&run(
        Command::new("sha256sum").arg(image.file("usr/bin/helios"))
    ))
    .split_once(' ')
    .map(|(a, b)| (a.to_owned(), b.to_owned()))
    .unwrap();
    let program = packages.iter().find(|p| p["name"] == "helios").unwrap();
    assert_eq!(program["checksums"][0]["checksumValue"], sum);
}

/// The program in its own root alone, as nobody, with nothing to write but /tmp.
#[test]
fn it_trades_in_a_root_that_it_cannot_write() {
    let Some(image) = image() else { return };
    if !rustix::process::getuid().is_root() {
        eprintln!("SKIPPED: another root directory needs root");
        return;
    }
    if image.config["architecture"] != native() {
        eprintln!("SKIPPED: the image is for another architecture");
        return;
    }
    let inside = |args: &str| {
        let script = format!(
            "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && mount -t tmpfs -o mode=1777 tmpfs \"$0/tmp\"
            exec chroot --userspec=65532:65532 \"$0\" /usr/bin/helios {args}"
        );
        Command::new("unshare")
            .args(["--mount", "--", "sh", "-euc", &script])
            .arg(image.root())
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .unwrap()
    };
    let version = inside("--version");
    assert!(version.status.success(), "{version:?}");
    let chart = repository("charts/helios/Chart.yaml");
    assert_eq!(
        said(&version).trim(),
        format!("helios {}", value(&chart, "appVersion:"))
    );
    // It is the whole program: all roles.
    let help = inside("--help");
    for role in [
        "operator",
        "coordinator",
        "worker",
        "venue",
        "nats-auth",
        "chart",
    ] {
        assert!(said(&help).contains(role), "{}", said(&help));
    }
    let up = |logs: &str| {
        inside(&format!(
            "up --for 2s --admin 127.0.0.1:0 --json --logs {logs}"
        ))
    };
    let traded = up("/tmp/logs");
    assert!(traded.status.success(), "{traded:?}");
    let summary = said(&traded);
    let summary: Value = serde_json::from_str(summary.lines().last().unwrap()).unwrap();
    assert_eq!(summary["errors"], 0, "{summary}");
    assert!(!up("/logs").status.success(), "its root can be written");
}

fn native() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Whether the dynamic linker would find a library.
fn has_library(image: &Archive, name: &str) -> bool {
    let triple = match image.config["architecture"].as_str().unwrap() {
        "amd64" => "x86_64-linux-gnu",
        _ => "aarch64-linux-gnu",
    };
    let places = [
        format!("lib/{triple}"),
        format!("usr/lib/{triple}"),
        "lib".into(),
        "lib64".into(),
    ];
    places
        .iter()
        .any(|p| image.file(p).join(name).symlink_metadata().is_ok())
}

fn run(command: &mut Command) -> Output {
    let out = command.output().unwrap();
    assert!(out.status.success(), "{command:?}: {out:?}");
    out
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned()
}
