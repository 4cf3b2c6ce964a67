//! Where an authority is kept: a folder with `ca.key`, `ca.pem`, `crl.pem`, and `server.key` and `server.pem` once
//! the listener got one. What others read is replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::issue::{Authority, KeyAndCertificate, Revoked};

/// Only who signs may read it.
const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// The folder of an authority.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Names a folder; looks at nothing yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The root's certificate.
    pub fn certificate(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// The root's key. Needed for signing, and for nothing else.
    pub fn key(&self) -> PathBuf {
        self.0.join("ca.key")
    }

    /// The list of revoked certificates.
    pub fn revocation_list(&self) -> PathBuf {
        self.0.join("crl.pem")
    }

    /// The listener's certificate.
    pub fn server_certificate(&self) -> PathBuf {
        self.0.join("server.pem")
    }

    /// The listener's key.
    pub fn server_key(&self) -> PathBuf {
        self.0.join("server.key")
    }

    /// Is there an authority that can sign?
    pub fn can_sign(&self) -> bool {
        self.key().is_file() && self.certificate().is_file()
    }

    /// Makes a new authority here, with an empty list of revoked certificates. What is there is never overwritten.
    pub fn create(&self, name: &str, now: Timestamp) -> Result<Authority> {
        if [self.key(), self.certificate()].iter().any(|file| file.exists()) {
            return Err(Error::Exists(self.0.clone()));
        }
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&self.0).map_err(at(&self.0))?;
        let (authority, key_pem) = Authority::create(name, now)?;
        // The key first, and only if no other process was quicker.
        let key = self.key();
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(SECRET).open(&key).map_err(|error| {
                if error.kind() == io::ErrorKind::AlreadyExists {
                    Error::Exists(self.0.clone())
                } else {
                    at(&key)(error)
                }
            })?;
        file.write_all(key_pem.as_bytes()).and_then(|()| file.sync_all()).map_err(at(&key))?;
        self.write_revocation_list(&authority, &[], now)?;
        self.replace(&self.certificate(), authority.pem(), PUBLIC)?;
        Ok(authority)
    }

    /// Reads the authority with its key.
    pub fn open(&self) -> Result<Authority> {
        let read = |path: PathBuf| fs::read_to_string(&path).map_err(at(&path));
        Authority::from_pem(&read(self.certificate())?, &read(self.key())?)
    }

    /// Writes the list of revoked certificates anew; listeners look for it every few seconds.
    pub fn write_revocation_list(
        &self,
        authority: &Authority,
        revoked: &[Revoked],
        now: Timestamp,
    ) -> Result<PathBuf> {
        let path = self.revocation_list();
        self.replace(&path, &authority.revocation_list(revoked, now)?, PUBLIC)?;
        Ok(path)
    }

    /// Writes the listener's key and certificate, replacing those that are there. A listener that looks between the
    /// two keeps what it has and looks again.
    pub fn write_server(&self, server: &KeyAndCertificate) -> Result<()> {
        self.replace(&self.server_key(), &server.key_pem, SECRET)?;
        self.replace(&self.server_certificate(), &server.issued.pem, PUBLIC)
    }

    /// Writes a device's key and certificate, and the root's certificate, into another folder. Nothing is overwritten.
    pub fn hand_out(&self, device: &str, made: &KeyAndCertificate, to: &Path) -> Result<()> {
        fs::create_dir_all(to).map_err(at(to))?;
        let root = fs::read_to_string(self.certificate()).map_err(at(&self.certificate()))?;
        for (name, text, mode) in [
            (format!("{device}.key"), &made.key_pem, SECRET),
            (format!("{device}.pem"), &made.issued.pem, PUBLIC),
        ] {
            let path = to.join(name);
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).map_err(at(&path))?;
            file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(at(&path))?;
        }
        replace(to, &to.join("ca.pem"), &root, PUBLIC)
    }

    fn replace(&self, path: &Path, text: &str, mode: u32) -> Result<()> {
        replace(&self.0, path, text, mode)
    }
}

/// Whole or not at all: a new file takes the place of the old one.
fn replace(folder: &Path, path: &Path, text: &str, mode: u32) -> Result<()> {
    let next = path.with_extension("next");
    // One that is left over from a crash might have another mode.
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&next)(error)),
        Ok(()) | Err(_) => {}
    }
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(&next).map_err(at(&next))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(at(&next))?;
    fs::rename(&next, path).map_err(at(path))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

fn at(path: &Path) -> impl Fn(io::Error) -> Error + '_ {
    move |source| Error::File { path: path.to_owned(), source }
}
