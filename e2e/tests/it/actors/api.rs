//! Staff with a program: the JSON API.

use std::time::{Duration, Instant};

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;
use vigie_e2e::waiting::until;

/// Somebody with a bearer token.
#[derive(Debug, Clone)]
pub(crate) struct Staff {
    client: Client,
    http: String,
    token: String,
    language: &'static str,
}

impl Staff {
    pub(crate) fn with_token(http: &str, token: &str) -> Self {
        Self { client: Client::new(), http: http.to_owned(), token: token.to_owned(), language: "fr" }
    }

    /// Logs in with a password.
    pub(crate) async fn log_in(http: &str, login: &str, password: &str) -> Self {
        let body = serde_json::json!({ "login": login, "password": password }).to_string();
        let request = Client::new().post(format!("{http}/api/v1/session"));
        let response = request.header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let session: Value = response.json().await.unwrap();
        Self::with_token(http, session["token"].as_str().unwrap())
    }

    /// The same person, reading in this language.
    pub(crate) fn reading(&self, language: &'static str) -> Self {
        Self { language, ..self.clone() }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Response {
        let mut request = self.client.request(method, format!("{}/api/v1{path}", self.http));
        request = request.bearer_auth(&self.token).header("accept-language", self.language);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn status(&self, path: &str) -> StatusCode {
        self.send(Method::GET, path, None).await.status()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.send(Method::GET, path, None).await;
        assert_eq!(response.status(), StatusCode::OK, "GET {path}");
        response.json().await.unwrap()
    }

    /// A page, as text.
    pub(crate) async fn page(&self, path: &str) -> String {
        let request = self.client.get(format!("{}{path}", self.http)).bearer_auth(&self.token);
        let response = request.header("accept-language", self.language).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "GET {path}");
        response.text().await.unwrap()
    }

    /// All readings of the last two weeks, oldest first.
    pub(crate) async fn readings(&self, patient: &str) -> Vec<Value> {
        list(&self.get(&format!("/patients/{patient}/readings")).await, "readings")
    }

    /// A patient's alerts in this state.
    pub(crate) async fn alerts(&self, patient: &str, state: &str) -> Vec<Value> {
        list(&self.get(&format!("/alerts?state={state}&patient={patient}")).await, "alerts")
    }

    /// A patient's open alert of a rule, as the list of all open alerts shows it, once it is there.
    pub(crate) async fn open_alert(&self, patient: &str, rule: &str, patience: Duration) -> Option<Value> {
        until(patience, async || {
            let alerts = list(&self.get("/alerts?state=open").await, "alerts");
            alerts.into_iter().find(|alert| alert["patient_id"] == patient && alert["rule"] == rule)
        })
        .await
    }

    /// A patient's reading of this sequence number, once it is there.
    pub(crate) async fn reading_with(
        &self,
        patient: &str,
        sequence: i64,
        patience: Duration,
    ) -> Option<Value> {
        until(patience, async || {
            self.readings(patient).await.into_iter().find(|reading| reading["sequence"] == sequence)
        })
        .await
    }

    /// The rule in force.
    pub(crate) async fn rule(&self, patient: &str, rule: &str) -> Value {
        let rules = list(&self.get(&format!("/patients/{patient}/rules")).await, "rules");
        rules.into_iter().find(|candidate| candidate["rule"] == rule).unwrap()
    }
}

fn list(answer: &Value, name: &str) -> Vec<Value> {
    answer[name].as_array().unwrap_or_else(|| panic!("no {name} in {answer}")).clone()
}

/// Milliseconds since then, for what the tests print.
pub(crate) fn since(then: Instant) -> String {
    format!("{} ms", then.elapsed().as_millis())
}
