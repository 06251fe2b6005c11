//! `driftwall certs`: a CA and a serving certificate for tests and first steps.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::certs::{ServingCertificate, generate};

#[derive(Args, Debug)]
pub(super) struct Certs {
    /// The folder for ca.crt, tls.crt and tls.key
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// A name under which the server is reached, such as driftwall.driftwall.svc; an IP address will do
    #[arg(long, value_name = "NAME", required = true, num_args = 1..)]
    dns: Vec<String>,
    /// How many days the certificates are good for
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    days: u32,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

impl Certs {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Self { out, dns, days, force } = self;
        let ServingCertificate { ca, cert, key } = generate(&dns, days)?;
        std::fs::create_dir_all(&out)
            .map_err(|error| format!("failed to make the folder {}: {error}", out.display()))?;
        let files = [("ca.crt", &ca, 0o644), ("tls.crt", &cert, 0o644), ("tls.key", &key, 0o600)];
        if let Some((name, ..)) = files.iter().find(|(name, ..)| !force && out.join(name).exists()) {
            return Err(format!("{} is there already; --force replaces it", out.join(name).display()).into());
        }
        for (name, content, mode) in files {
            let file = out.join(name);
            write(&file, content, mode).map_err(|error| format!("failed to write {}: {error}", file.display()))?;
            anstream::println!("{}", file.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes a new file: an old one could be open to others.
fn write(file: &Path, content: &str, mode: u32) -> std::io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?.write_all(content.as_bytes())
}
