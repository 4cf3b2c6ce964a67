//! A nurse with a browser: headless Chromium, driven through chromedriver on a loopback port.

use std::process::Stdio;
use std::time::Duration;

use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use vigie_e2e::waiting::until;

use super::house::PATIENCE;

/// A browser with one page.
pub(crate) struct Browser {
    driver: WebDriver,
    chromedriver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(crate) async fn open() -> Self {
        let mut chromedriver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver is installed (Debian package chromium-driver; scripts/setup.sh test)");
        let mut lines = BufReader::new(chromedriver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = timeout(PATIENCE, lines.next_line()).await.expect("chromedriver starts").unwrap();
            let line = line.expect("chromedriver tells its port");
            let port =
                line.split("successfully on port ").nth(1).map(|rest| rest.trim_end_matches('.').to_owned());
            if let Some(port) = port {
                break port;
            }
        };
        // Whatever else it prints must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let profile = tempfile::tempdir().unwrap();
        let mut options = DesiredCapabilities::chrome();
        for argument in [
            "--headless",
            // The sandbox refuses to run as root, as tests in a container do.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", profile.path().display()),
        ] {
            options.add_arg(argument).unwrap();
        }
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), options).await.unwrap();
        Self { driver, chromedriver, _profile: profile }
    }

    /// Logs in by the form, and is on the worklist.
    pub(crate) async fn log_in(&self, http: &str, login: &str, password: &str) {
        self.driver.goto(http).await.unwrap();
        self.driver.find(By::Id("login")).await.unwrap().send_keys(login).await.unwrap();
        self.driver.find(By::Id("password")).await.unwrap().send_keys(password).await.unwrap();
        self.driver.find(By::Css("main form button")).await.unwrap().click().await.unwrap();
        self.wait_for(By::Css("table.worklist"), PATIENCE).await.expect("the worklist after the log-in");
    }

    /// Leaves a mark on the page that a reload would wipe off.
    pub(crate) async fn mark(&self) {
        self.driver.execute("window.marked = true", vec![]).await.unwrap();
    }

    /// Is it still the page that was marked?
    pub(crate) async fn is_marked(&self) -> bool {
        self.driver.execute("return window.marked === true", vec![]).await.unwrap().json() == true
    }

    /// An element, once it is there.
    pub(crate) async fn wait_for(&self, by: By, patience: Duration) -> Option<WebElement> {
        until(patience, async || self.driver.find(by.clone()).await.ok()).await
    }

    /// The times under an element, as the page gives them to programs.
    pub(crate) async fn times(&self, row: &WebElement, within: &str) -> Vec<String> {
        let mut times = Vec::new();
        for time in row.find_all(By::Css(format!("{within} time"))).await.unwrap() {
            times.push(time.attr("datetime").await.unwrap().unwrap());
        }
        times
    }

    pub(crate) async fn close(mut self) {
        self.driver.quit().await.unwrap();
        self.chromedriver.kill().await.unwrap();
    }
}
