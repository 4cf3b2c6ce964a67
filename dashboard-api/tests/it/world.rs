//! A territory with two teams, staff of every role, a patient of each team, and a way to ask.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use tower::ServiceExt;
use uuid::Uuid;
use vigie_dashboard_api::{App, Settings, issue_token, router};
use vigie_reports::maker::Maker;
use vigie_reports::schedule::Schedule;
use vigie_service::Clock;
use vigie_store::alert_record::write_change;
use vigie_store::events::{NewEvent, append};
use vigie_store::intake::{NewValue, insert_values};
use vigie_store::reports::PracticeId;
use vigie_store::reports::practices::{self, Channel, Practice};
use vigie_store::setup::{NewStaff, add_staff};
use vigie_store::staff::StaffRole;
use vigie_store::{Database, Role};
use vigie_testkit::{People, TestDatabase, logs, people};
use vigie_typeset::Typesetter;
use vigie_vitals::{
    AlertChange, AlertId, Condition, Context, DeviceId, Evidence, PatientId, Priority, ReadingKey, RuleId,
    Threshold, Unit, UserId, Value, Vital,
};

pub(crate) const NOW: &str = "2026-11-22T08:00:00Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) people: People,
    pub(crate) clock: Clock,
    pub(crate) app: App,
    pub(crate) router: Router,
    gateway: Database,
    alerts: Database,
    admin: Database,
    tokens: Vec<(UserId, String)>,
    /// Of the first team, in the order of `StaffRole::ALL`; nurse and physician are those of `people`.
    pub(crate) of_role: Vec<(StaffRole, UserId)>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_connections(4).await
    }

    pub(crate) async fn with_connections(connections: u32) -> Self {
        logs::watch();
        let database = TestDatabase::new().await;
        let people = people(database.url(), at("2026-10-01T00:00:00Z")).await;
        let clock = Clock::set_to(at(NOW));
        let connect = |role, connections| Database::connect(database.url(), role, connections);
        let dashboard = connect(Role::Dashboard, connections).await.unwrap();
        let app = App::new(dashboard, clock.clone(), Settings::default());
        let mut world = Self {
            router: router(app.clone()),
            gateway: connect(Role::Gateway, 2).await.unwrap(),
            alerts: connect(Role::Alerts, 4).await.unwrap(),
            admin: connect(Role::Admin, 1).await.unwrap(),
            tokens: Vec::new(),
            of_role: vec![(StaffRole::Nurse, people.nurses[0]), (StaffRole::Physician, people.physicians[0])],
            app,
            clock,
            people,
            database,
        };
        for (i, role) in
            [StaffRole::Coordinator, StaffRole::Administrator, StaffRole::Technician].into_iter().enumerate()
        {
            let id = UserId(Uuid::from_u128(900 + i as u128));
            world.staff(id, role, "!").await;
            world.of_role.push((role, id));
        }
        for staff in
            world.of_role.iter().map(|(_, id)| *id).chain(world.people.nurses).chain(world.people.physicians)
        {
            let token = world.token(staff).await;
            world.tokens.push((staff, token));
        }
        world
    }

    pub(crate) async fn staff(&self, id: UserId, role: StaffRole, password_hash: &str) {
        let mut tx = self.admin.begin().await.unwrap();
        let territory = self.database.value("SELECT id FROM territory").parse().unwrap();
        let staff = NewStaff {
            id,
            territory: vigie_vitals::TerritoryId(territory),
            login: format!("{}-x", role.as_str()),
            display_name: format!("A {}", role.as_str()),
            role: role.as_str().into(),
            password_hash: password_hash.into(),
            locale: "fr".into(),
        };
        add_staff(&mut tx, &staff, &[self.people.teams[0]]).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A bearer token of twelve hours.
    pub(crate) async fn token(&self, staff: UserId) -> String {
        let mut tx = self.admin.begin().await.unwrap();
        let now = self.clock.now();
        let token = issue_token(&mut tx, staff, now + SignedDuration::from_hours(12), now).await.unwrap();
        tx.commit().await.unwrap();
        token
    }

    pub(crate) fn token_of(&self, staff: UserId) -> &str {
        self.tokens.iter().find(|(id, _)| *id == staff).map(|(_, token)| token.as_str()).unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        self.send_to(&self.router, request).await
    }

    /// The same to a dashboard that is set up otherwise.
    pub(crate) async fn send_to(&self, router: &Router, request: Request<Body>) -> Answer {
        let response: Response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 10_000_000).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub(crate) fn request(
        &self,
        staff: Option<UserId>,
        method: &str,
        path: &str,
    ) -> axum::http::request::Builder {
        let builder = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        match staff {
            Some(staff) => builder.header(header::AUTHORIZATION, format!("Bearer {}", self.token_of(staff))),
            None => builder,
        }
    }

    pub(crate) async fn get(&self, staff: UserId, path: &str) -> Answer {
        self.send(self.request(Some(staff), "GET", path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, staff: UserId, path: &str, body: &Json) -> Answer {
        self.call(staff, "POST", path, body).await
    }

    pub(crate) async fn call(&self, staff: UserId, method: &str, path: &str, body: &Json) -> Answer {
        let request =
            self.request(Some(staff), method, path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Stores readings of one patient's own device: vital, digits as sent, unit, measured, received.
    pub(crate) async fn readings(&self, who: usize, readings: &[(Vital, &str, Unit, &str, &str)]) {
        let first = self.database.value("SELECT count(*) + 1 FROM reading").parse::<i64>().unwrap();
        let values: Vec<NewValue> = readings
            .iter()
            .zip(first..)
            .map(|((vital, value, unit, measured, received), sequence)| NewValue {
                patient: self.people.patients[who],
                key: self.key(who, sequence),
                vital: *vital,
                value: Value::parse(value, "", *unit).unwrap(),
                measured_at: at(measured),
                device_measured_at: at(measured),
                received_at: at(received),
                context: Context::default(),
                flags: Vec::new(),
            })
            .collect();
        let mut tx = self.gateway.begin().await.unwrap();
        insert_values(&mut tx, &values).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A practice for each patient, and everything made that is due: what the reports role does.
    pub(crate) async fn make_reports(&self) {
        let mut tx = self.admin.begin().await.unwrap();
        let territory = self.database.value("SELECT id FROM territory").parse().unwrap();
        for (n, patient) in (1..).zip(self.people.patients) {
            let practice = Practice {
                id: PracticeId(Uuid::from_u128(700 + n)),
                territory: vigie_vitals::TerritoryId(territory),
                name: format!("Practice {n}"),
                address: format!("practice{n}@mail.example"),
                channel: Channel::Email,
                locale: "fr".into(),
                fallback_address: Some(format!("secretariat{n}@mail.example")),
            };
            if practices::get(&mut tx, practice.id).await.unwrap().is_none() {
                practices::add(&mut tx, &practice, at("2026-10-01T00:00:00Z")).await.unwrap();
            }
            assert!(
                practices::follow(&mut tx, practice.id, patient, at("2026-10-01T00:00:00Z")).await.unwrap()
            );
        }
        tx.commit().await.unwrap();
        let schedule = Schedule { weeks_back: 1, ..Schedule::default() };
        let database = self.reports().await;
        schedule.fill(&database, self.clock.now()).await.unwrap();
        let maker = Maker {
            database,
            clock: self.clock.clone(),
            typesetter: std::sync::Arc::new(Typesetter::new()),
            most: 8,
            message_domain: "vigie.example".into(),
        };
        while maker.make_once().await.unwrap().made > 0 {}
        assert_eq!(self.database.value("SELECT count(*) FROM report_job WHERE attempts > 0"), "0");
    }

    pub(crate) async fn reports(&self) -> Database {
        Database::connect(self.database.url(), Role::Reports, 2).await.unwrap()
    }

    fn key(&self, who: usize, sequence: i64) -> ReadingKey {
        ReadingKey { device: DeviceId(format!("dev-{}", who + 1)), epoch: 1, sequence }
    }

    /// Opens an alert as the alert worker does: glucose 0.52 g/L below 0.54, measured two days ago.
    pub(crate) async fn open_alert(&self, who: usize) -> AlertId {
        self.alert(who, "glucose_low", Priority::High).await
    }

    pub(crate) async fn alert(&self, who: usize, rule: &str, priority: Priority) -> AlertId {
        let id = AlertId(Uuid::from_u128(
            self.database.value("SELECT count(*) + 5000 FROM alert").parse().unwrap(),
        ));
        let now = self.clock.now();
        let evidence = Evidence {
            reading: Some(self.key(who, 1)),
            vital: Vital::Glucose,
            value: Some(Value::parse("0.52", "", Unit::GramPerLitre).unwrap()),
            reference: None,
            happened_at: at("2026-11-20T01:10:00Z"),
            known_at: at("2026-11-22T07:05:00Z"),
            rule_version: 1,
            priority,
            threshold: Threshold {
                value: "0.54".parse::<Decimal>().unwrap(),
                unit: Some(Unit::GramPerLitre),
                window_hours: None,
                inclusive: false,
            },
        };
        let change = AlertChange::Open {
            rule: RuleId(rule.into()),
            evidence: vec![evidence],
            priority,
            condition: Condition::Ended,
        };
        let mut tx = self.alerts.begin().await.unwrap();
        write_change(&mut tx, self.people.patients[who], &change, id, now).await.unwrap();
        let event = event(self.people.patients[who], "alert_opened", Some(id), now);
        append(&mut tx, &[event]).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    /// Appends events in one transaction, as the alert worker does.
    pub(crate) async fn tell(&self, events: &[NewEvent]) {
        let mut tx = self.alerts.begin().await.unwrap();
        append(&mut tx, events).await.unwrap();
        tx.commit().await.unwrap();
    }
}

pub(crate) fn event(
    patient: PatientId,
    kind: &'static str,
    alert: Option<AlertId>,
    at: Timestamp,
) -> NewEvent {
    NewEvent { at, kind, patient, alert, detail: json!({}) }
}
