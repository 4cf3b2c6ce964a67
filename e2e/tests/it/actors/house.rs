//! One demo for many tests. It lives as long as a test uses it; whoever leaves last stops it and looks at how it ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use tokio::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
use vigie_e2e::demo::{Demo, Patient};
use vigie_e2e::waiting::until;
use vigie_service::Clock;

use super::api::Staff;

/// How long anything may take that has no limit of its own.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Enough for every test to have patients of its own.
const PATIENTS: &str = "48";

static SHARED: Mutex<Option<Shared>> = Mutex::const_new(None);
/// Tests that measure a time have the machine to themselves.
static MACHINE: RwLock<()> = RwLock::const_new(());

struct Shared {
    demo: Arc<Demo>,
    users: usize,
    /// How many patients of a team and plan were handed out.
    taken: HashMap<(String, String), usize>,
    folder: tempfile::TempDir,
}

enum Presence {
    Among(#[expect(dead_code, reason = "held until dropped")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held until dropped")] RwLockWriteGuard<'static, ()>),
}

/// The use of the demo by one test.
pub(crate) struct House {
    demo: Option<Arc<Demo>>,
    _presence: Presence,
}

/// A device as `vigie device enrol` answers.
#[derive(Debug, Clone)]
pub(crate) struct Enrolled {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// For tests that measure a time and start what they need themselves.
pub(crate) async fn machine_to_oneself() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().await
}

impl House {
    /// Comes in, among others.
    pub(crate) async fn enter() -> Self {
        Self::enter_as(Presence::Among(MACHINE.read().await)).await
    }

    /// Comes in when nobody else is there, and keeps others out.
    pub(crate) async fn enter_alone() -> Self {
        Self::enter_as(Presence::Alone(MACHINE.write().await)).await
    }

    async fn enter_as(presence: Presence) -> Self {
        let mut shared = SHARED.lock().await;
        if shared.is_none() {
            let folder = tempfile::Builder::new().prefix("vigie-e2e-").tempdir().unwrap();
            // Without a past: tests count what they themselves sent, and the alerts that it opened.
            let options = ["--no-sim", "--past-days", "0", "--patients", PATIENTS, "--ws", "127.0.0.1:0"];
            let demo = Demo::start(folder.path(), &options).await.unwrap();
            *shared = Some(Shared { demo: Arc::new(demo), users: 0, taken: HashMap::new(), folder });
        }
        let shared = shared.as_mut().unwrap();
        shared.users += 1;
        Self { demo: Some(Arc::clone(&shared.demo)), _presence: presence }
    }

    pub(crate) fn demo(&self) -> &Demo {
        self.demo.as_ref().unwrap()
    }

    pub(crate) fn mqtt_port(&self) -> u16 {
        self.demo().manifest().mqtt.rsplit(':').next().unwrap().parse().unwrap()
    }

    pub(crate) fn websocket_port(&self) -> u16 {
        self.demo().manifest().ws.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// A patient of the first team on this plan, whom no other test has.
    pub(crate) async fn patient(&self, plan: &str) -> Patient {
        self.patient_of("Strasbourg Nord", plan).await
    }

    /// The same of a given team.
    pub(crate) async fn patient_of(&self, team: &str, plan: &str) -> Patient {
        let mut shared = SHARED.lock().await;
        let taken = shared.as_mut().unwrap().taken.entry((team.to_owned(), plan.to_owned())).or_default();
        let mut fitting =
            self.demo().manifest().patients.iter().filter(|p| p.care_team == team && p.care_plan == plan);
        let patient = fitting.nth(*taken).unwrap_or_else(|| panic!("too few patients of {team} on {plan}"));
        *taken += 1;
        patient.clone()
    }

    /// A device of this patient, held for the last three days, enrolled with the command line.
    pub(crate) fn enrol(&self, patient: &Patient) -> Enrolled {
        let held_from = (Clock::system().now() - SignedDuration::from_hours(72)).to_string();
        let arguments = ["device", "enrol", "--json", "--kind", "glucometer"];
        let arguments = [&arguments[..], &["--patient", &patient.id, "--held-from", &held_from]].concat();
        let output = self.demo().vigie(&arguments).unwrap();
        assert!(output.status.success(), "{output:?}");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Enrolled { id: text("id"), secret: text("secret") }
    }

    /// Staff by log-in, with their token.
    pub(crate) fn staff(&self, login: &str) -> Staff {
        Staff::with_token(&self.demo().manifest().http, &self.demo().manifest().user(login).unwrap().token)
    }

    pub(crate) fn nurse(&self) -> Staff {
        self.staff("infirmiere")
    }

    pub(crate) fn physician(&self) -> Staff {
        self.staff("medecin")
    }

    /// Waits until what is stored of this patient has been judged.
    pub(crate) async fn judged(&self, patient: &Patient) {
        let waiting = format!("SELECT count(*) FROM judgement_queue WHERE patient_id = '{}'", patient.id);
        let done = async || (self.demo().query(&waiting).unwrap()[0][0] == "0").then_some(());
        until(PATIENCE, done).await.expect("everything is judged");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.demo = None;
        // A thread of its own, because a test's runtime cannot wait in here.
        let leaving = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(leave());
        });
        let left = leaving.join();
        if !std::thread::panicking() {
            left.expect("the demo ends well");
        }
    }
}

async fn leave() {
    let mut shared = SHARED.lock().await;
    let Some(mut last) = shared.take() else { return };
    last.users -= 1;
    if last.users > 0 {
        *shared = Some(last);
        return;
    }
    let demo = Arc::into_inner(last.demo).expect("nobody else has it");
    demo.finish(&[]).await.unwrap();
    last.folder.close().unwrap();
}
