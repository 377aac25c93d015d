//! As `helios venue` hands its key over: in a file that its owner alone may read.

use anyhow::Result;
use helios_venue::server::VenueHandle;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes the key of a venue whose market runs at `speed` market seconds a wall second.
pub fn write(path: &Path, venue: &VenueHandle, speed: f64) -> Result<()> {
    let keys = serde_json::json!({
        "apiKey": venue.credentials().key,
        "apiSecret": venue.credentials().secret,
        "url": venue.rest_url(),
        "speed": speed,
    });
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(file.write_all(keys.to_string().as_bytes())?)
}
