//! Makes a cluster's folder: owner, lock, password, initdb. Whatever step a crash interrupts, the next start repeats it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{Layout, SUPERUSER};
use crate::account::Account;
use crate::{ClusterConfig, Error, Installation};

/// Where the data live when the folder that was asked for is closed to the server's user.
const RELOCATED: &str = "/var/lib/vigie";

/// Held by the process that owns the cluster.
const LOCK: &str = "owner.lock";

/// 32 random bytes, in hexadecimal.
const PASSWORD_LEN: usize = 64;

/// A folder with data and a password in it, locked.
pub(super) struct Prepared {
    pub(super) layout: Layout,
    pub(super) account: Account,
    pub(super) installation: Installation,
    pub(super) password: String,
    pub(super) lock: File,
}

pub(super) async fn prepare(config: &ClusterConfig) -> Result<Prepared, Error> {
    let home = &config.data_dir;
    make_folder(home)?;
    let lock = lock(home)?;
    let mut layout = Layout::new(home, config.log_file.as_deref())?;
    let account = Account::choose(&layout.data)?;
    account.own(&layout.home)?;
    account.own(&layout.home.join(LOCK))?;
    reach(config, &mut layout, &account)?;
    let major = data_major(&layout.data);
    let installation = Installation::find(config.bin_dir.as_deref(), major)?;
    if let Some(wanted) = major.filter(|major| *major != installation.major()) {
        return Err(Error::WrongVersion { data_dir: layout.home, wanted, found: installation.major() });
    }
    if major.is_none() {
        initialise(config, &layout, &account, &installation).await?;
    }
    let password = read_password(&layout.password)?;
    Ok(Prepared { layout, account, installation, password, lock })
}

/// The password that was written when the cluster was made.
pub(super) fn read_password(path: &Path) -> Result<String, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let password = text.trim_end();
    // It goes into a URL as it is, so nothing but what was written there may pass.
    match password.len() == PASSWORD_LEN && password.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(password.to_owned()),
        false => Err(Error::BadPasswordFile { path: path.to_owned() }),
    }
}

fn make_folder(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::io("make the folder", path))
}

fn lock(home: &Path) -> Result<File, Error> {
    let path = home.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(Error::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { data_dir: home.to_owned() }),
        Err(TryLockError::Error(source)) => Err(Error::Io { action: "lock", path, source }),
    }
}

/// Makes sure that the server's user gets to the data, elsewhere if need be.
fn reach(config: &ClusterConfig, layout: &mut Layout, account: &Account) -> Result<(), Error> {
    let Some(closed) = account.closed_ancestor(&layout.data) else {
        return Ok(());
    };
    if !config.relocate_unreachable || layout.data.exists() {
        return Err(Error::Unreachable { closed, account: account.name.clone() });
    }
    let name: String = random_hex()?.chars().take(16).collect();
    let elsewhere = Path::new(RELOCATED).join(name);
    DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(RELOCATED)
        .map_err(Error::io("make the folder", RELOCATED))?;
    make_folder(&elsewhere)?;
    account.own(&elsewhere)?;
    let (link, data) = (layout.home.join("pgdata"), elsewhere.join("pgdata"));
    // A link without data behind it is left from a start that was interrupted before initdb had ended.
    if link.is_symlink() {
        std::fs::remove_file(&link).map_err(Error::io("remove", &link))?;
    }
    std::os::unix::fs::symlink(&data, &link).map_err(Error::io("make the link", &link))?;
    tracing::info!(data = %data.display(), "the data folder is closed to PostgreSQL's user; the data are kept elsewhere");
    layout.data = data;
    Ok(())
}

/// The major version that made the data; `None` when there are none yet.
fn data_major(data: &Path) -> Option<u32> {
    std::fs::read_to_string(data.join("PG_VERSION")).ok()?.trim().parse().ok()
}

/// initdb works in a folder beside and the result is moved into place, so that data are there whole or not at all.
async fn initialise(
    config: &ClusterConfig,
    layout: &Layout,
    account: &Account,
    installation: &Installation,
) -> Result<(), Error> {
    let parent = layout.data.parent().unwrap_or(&layout.home);
    let unfinished = parent.join("pgdata.unfinished");
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished).map_err(Error::io("remove", &unfinished))?;
    }
    // The server's user must read the password once, from a place that it can reach.
    let handed = parent.join("initdb.password");
    let password = random_hex()?;
    write_secret(&handed, &password)?;
    account.own(&handed)?;
    write_secret(&layout.password, &password)?;
    account.own(&layout.password)?;
    run_initdb(config, account, installation, &unfinished, &handed).await?;
    std::fs::remove_file(&handed).map_err(Error::io("remove", &handed))?;
    std::fs::rename(&unfinished, &layout.data).map_err(Error::io("move into place", &unfinished))
}

async fn run_initdb(
    config: &ClusterConfig,
    account: &Account,
    installation: &Installation,
    data: &Path,
    password: &PathBuf,
) -> Result<(), Error> {
    let program = installation.program("initdb");
    let mut command = tokio::process::Command::new(&program);
    command
        .args(["--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--data-checksums"])
        .arg(format!("--username={SUPERUSER}"))
        .arg("--pwfile")
        .arg(password)
        .arg("--pgdata")
        .arg(data);
    super::launch::confine(command.as_std_mut(), account, data.parent().unwrap_or(data));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let limit = config.deadlines.initdb;
    let output = tokio::time::timeout(limit, command.output())
        .await
        .map_err(|_elapsed| Error::TooSlow { step: "initdb", limit, output: String::new() })?
        .map_err(Error::io("run", &program))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Error::Failed {
            program: "initdb",
            status: output.status,
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        }),
    }
}

fn write_secret(path: &Path, secret: &str) -> Result<(), Error> {
    if path.exists() {
        std::fs::remove_file(path).map_err(Error::io("remove", path))?;
    }
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::io("write", path))?;
    file.write_all(secret.as_bytes()).and_then(|()| file.sync_all()).map_err(Error::io("write", path))
}

fn random_hex() -> Result<String, Error> {
    let mut bytes = [0_u8; PASSWORD_LEN / 2];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
