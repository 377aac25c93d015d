//! A way to the API server that can be cut: what passes is not looked at (it is TLS), and after a cut a new connection is
//! taken at once. So watches break as they do when a load balancer or a node in between is replaced.

use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Proxy {
    port: u16,
    cuts: watch::Sender<u64>,
    open: Arc<AtomicUsize>,
}

impl Proxy {
    /// In front of the API server of a kubeconfig.
    pub async fn start(kubeconfig: &Path) -> Result<Self> {
        let file: Value = serde_json::from_slice(&std::fs::read(kubeconfig)?)?;
        let server = file["clusters"][0]["cluster"]["server"].as_str();
        let server = server.and_then(|s| s.strip_prefix("https://"));
        let server = server.context("a kubeconfig without a server")?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (cuts, cut) = watch::channel(0);
        let open = Arc::new(AtomicUsize::new(0));
        let count = open.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, mut cut, count) = (server.clone(), cut.clone(), count.clone());
                cut.mark_unchanged();
                tokio::spawn(async move {
                    count.fetch_add(1, Ordering::Relaxed);
                    tokio::select! {
                        _ = pass(client, &server) => {}
                        _ = cut.changed() => {}
                    }
                    count.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Ok(Self { port, cuts, open })
    }

    /// The same kubeconfig with the proxy as its server; it lies beside the other.
    pub fn kubeconfig(&self, of: &Path) -> Result<PathBuf> {
        let mut file: Value = serde_json::from_slice(&std::fs::read(of)?)?;
        file["clusters"][0]["cluster"]["server"] =
            format!("https://127.0.0.1:{}", self.port).into();
        let path = of.with_extension("proxied");
        std::fs::write(&path, file.to_string())?;
        Ok(path)
    }

    /// Cuts every connection; returns how many there were.
    pub fn cut(&self) -> usize {
        let open = self.open.load(Ordering::Relaxed);
        self.cuts.send_modify(|n| *n += 1);
        open
    }
}

async fn pass(mut client: TcpStream, server: &str) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
