//! What the kernel counts of a process.

use anyhow::{Context, Result};

/// The most memory in RAM that a process has had since its start, MiB: what it took to read the first lists counts.
pub fn peak_rss_mib(id: u32) -> Result<f64> {
    field(id, "VmHWM:")
}

/// Memory in RAM now, MiB.
pub fn rss_mib(id: u32) -> Result<f64> {
    field(id, "VmRSS:")
}

fn field(id: u32, name: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))
        .with_context(|| format!("process {id} has ended by itself"))?;
    let line = status.lines().find_map(|l| l.strip_prefix(name));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.with_context(|| format!("no {name}"))? / 1024.0)
}

/// CPU time used so far, s.
pub fn cpu_s(id: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let after = stat.rsplit_once(')').map_or("", |p| p.1);
    let field = |i: usize| after.split_whitespace().nth(i)?.parse::<f64>().ok();
    // The kernel counts in hundredths for whoever reads it.
    let both = field(11).zip(field(12)).context("no CPU time")?;
    Ok((both.0 + both.1) / 100.0)
}
