//! `driftwall certs`: a CA and a serving certificate, for tests and first steps.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;

use super::output::print;
use super::values::number;
use crate::certs::{ServingCertificate, generate, generate_with_client};

#[derive(Args, Debug)]
pub(super) struct Certs {
    /// Folder for ca.crt, tls.crt and tls.key
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// DNS name or IP address of the server, such as driftwall.driftwall.svc
    #[arg(long, value_name = "NAME", required = true, num_args = 1..)]
    dns: Vec<String>,
    /// How many days the certificates are valid
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = number(1..=36_500))]
    days: u64,
    /// Create a client certificate too, client.crt and client.key, under the same CA
    #[arg(long)]
    client: bool,
    /// Replace existing files
    #[arg(long)]
    force: bool,
}

impl Certs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { out, dns, days, client, force } = self;
        let days = u32::try_from(days)?;
        let (ServingCertificate { ca, cert, key }, client) = if client {
            let (serving, client) = generate_with_client(&dns, days)?;
            (serving, Some(client))
        } else {
            (generate(&dns, days)?, None)
        };
        std::fs::create_dir_all(&out).with_context(|| format!("failed to create the folder {}", out.display()))?;
        let mut files = vec![("ca.crt", &ca, 0o644), ("tls.crt", &cert, 0o644), ("tls.key", &key, 0o600)];
        if let Some(ServingCertificate { cert, key, .. }) = &client {
            files.extend([("client.crt", cert, 0o644), ("client.key", key, 0o600)]);
        }
        if let Some((name, ..)) = files.iter().find(|(name, ..)| !force && out.join(name).exists()) {
            bail!("failed to write {}: it exists already; --force replaces it", out.join(name).display());
        }
        // All of them before anything is said: half a set would be used as a whole one.
        for (name, content, mode) in &files {
            let file = out.join(name);
            write_new(&file, content, *mode).with_context(|| format!("failed to write {}", file.display()))?;
        }
        for (name, ..) in files {
            print(out.join(name).display())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes a new file: an existing one keeps its mode, so a key in it could be readable by others.
fn write_new(file: &Path, content: &str, mode: u32) -> std::io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?.write_all(content.as_bytes())
}
