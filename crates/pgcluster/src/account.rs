//! Which operating-system user runs the server, and whether that user can reach the data.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::Error;

/// The user that initdb and the server run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// We are root and must become this user; otherwise this user is us.
    pub(crate) switch: bool,
}

impl Account {
    /// Decides who runs the server over `data`, which need not exist yet.
    pub(crate) fn choose(data: &Path) -> Result<Self, Error> {
        let uid = rustix::process::geteuid().as_raw();
        let owner = std::fs::metadata(data).ok().map(|meta| (meta.uid(), meta.gid()));
        if uid != 0 {
            if let Some((owner, _)) = owner.filter(|(owner, _)| *owner != uid) {
                return Err(Error::ForeignData { path: data.to_owned(), owner, process: uid });
            }
            let gid = rustix::process::getegid().as_raw();
            return Ok(Self { name: format!("with id {uid}"), uid, gid, switch: false });
        }
        if let Some((uid, gid)) = owner.filter(|(owner, _)| *owner != 0) {
            return Ok(Self { name: format!("with id {uid}"), uid, gid, switch: true });
        }
        let passwd = std::fs::read_to_string("/etc/passwd").map_err(Error::io("read", "/etc/passwd"))?;
        ["postgres", "nobody"].iter().find_map(|name| look_up(&passwd, name)).ok_or(Error::NoAccount)
    }

    /// Gives a file or folder to this user, when that is not us already.
    pub(crate) fn own(&self, path: &Path) -> Result<(), Error> {
        if !self.switch {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(Error::io("change the owner of", path))
    }

    /// The first folder above (or at) `path` that this user cannot pass through.
    pub(crate) fn closed_ancestor(&self, path: &Path) -> Option<PathBuf> {
        if !self.switch {
            return None;
        }
        let mut ancestors: Vec<&Path> = path.ancestors().collect();
        ancestors.reverse();
        ancestors.into_iter().find(|folder| !self.may_enter(folder)).map(Path::to_path_buf)
    }

    fn may_enter(&self, folder: &Path) -> bool {
        let Ok(meta) = std::fs::metadata(folder) else {
            return true;
        };
        let mode = meta.permissions().mode();
        let bit = if meta.uid() == self.uid {
            0o100
        } else if meta.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        mode & bit != 0
    }
}

/// A line of /etc/passwd: name:password:uid:gid:...
fn look_up(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { name: name.to_owned(), uid, gid, switch: true })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_is_found_by_its_whole_name() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\npostgres2:x:7:7::/:/x\npostgres:x:101:104:,,,:/var/lib:/bin/bash\n";
        let found = look_up(passwd, "postgres").unwrap();
        assert_eq!((found.uid, found.gid), (101, 104));
        assert_eq!(look_up(passwd, "nobody"), None);
    }

    #[test]
    fn folder_closed_to_others_is_named() {
        let outer = tempfile::tempdir().unwrap();
        std::fs::set_permissions(outer.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = Account { name: "nobody".into(), uid: 65_534, gid: 65_534, switch: true };
        assert_eq!(stranger.closed_ancestor(&outer.path().join("data")).as_deref(), Some(outer.path()));
        std::fs::set_permissions(outer.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(stranger.closed_ancestor(&outer.path().join("data")), None);
    }
}
