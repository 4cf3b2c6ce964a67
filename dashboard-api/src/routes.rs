//! The one table of routes. Each says who may use it, so that a route without an answer cannot be written;
//! a test walks the table with every role.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use vigie_store::staff::StaffRole;

use crate::access::guard::{Post, guard};
use crate::app::App;
use crate::edge::edge;
use crate::problem::Problem;
use crate::{api, pages};

/// Who may use a route. Which patients they see there is decided by the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Without logging in.
    Everybody,
    /// Whoever is logged in.
    Staff,
    /// Who looks after patients: nurses, physicians, coordinators.
    Clinical,
    /// Who prescribes limits: physicians.
    Prescriber,
    /// Who sees devices: those who look after patients, and technicians.
    Devices,
    /// Who asks something of a device: nurses and technicians.
    DeviceCommands,
    /// A device, by its own secret, which the handler checks. No session opens it.
    Device,
}

impl Access {
    /// Does it admit this role?
    pub fn admits(self, role: StaffRole) -> bool {
        match self {
            Self::Everybody | Self::Staff => true,
            Self::Clinical => match role {
                StaffRole::Nurse | StaffRole::Physician | StaffRole::Coordinator => true,
                StaffRole::Administrator | StaffRole::Technician => false,
            },
            Self::Prescriber => role == StaffRole::Physician,
            Self::Devices => role != StaffRole::Administrator,
            Self::DeviceCommands => matches!(role, StaffRole::Nurse | StaffRole::Technician),
            Self::Device => false,
        }
    }
}

/// For whom answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    People,
    Programs,
}

/// What is known of a route from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteInfo {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// With `{id}` for a patient under `/patients`, for an alert under `/alerts`, for a device under `/devices`.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
}

struct Route {
    info: RouteInfo,
    audience: Audience,
    handler: MethodRouter<App>,
}

/// One request body is small; what takes readings reads its body itself.
const BODY_MAX: usize = 64 * 1024;

fn page(method: &'static str, path: &'static str, access: Access, handler: MethodRouter<App>) -> Route {
    Route { info: RouteInfo { method, path, access }, audience: Audience::People, handler }
}

fn api_route(method: &'static str, path: &'static str, access: Access, handler: MethodRouter<App>) -> Route {
    Route { info: RouteInfo { method, path, access }, audience: Audience::Programs, handler }
}

fn api_routes() -> Vec<Route> {
    use Access::{Clinical, Device, DeviceCommands, Devices, Everybody, Prescriber, Staff};
    vec![
        api_route("POST", "/api/v1/session", Everybody, post(api::session::open)),
        api_route("GET", "/api/v1/session", Staff, get(api::session::show)),
        api_route("DELETE", "/api/v1/session", Staff, delete(api::session::close)),
        api_route("GET", "/api/v1/worklist", Clinical, get(api::worklist::list)),
        api_route("GET", "/api/v1/alerts", Clinical, get(api::alerts::list)),
        api_route("GET", "/api/v1/alerts/{id}", Clinical, get(api::alerts::show)),
        api_route("POST", "/api/v1/alerts/{id}/acknowledge", Clinical, post(api::alerts::acknowledge)),
        api_route("POST", "/api/v1/alerts/{id}/resolve", Clinical, post(api::alerts::resolve)),
        api_route("POST", "/api/v1/alerts/{id}/comment", Clinical, post(api::alerts::comment)),
        api_route("POST", "/api/v1/alerts/{id}/assign", Clinical, post(api::alerts::assign)),
        api_route("GET", "/api/v1/patients", Clinical, get(api::patients::list)),
        api_route("GET", "/api/v1/patients/{id}", Clinical, get(api::patients::show)),
        api_route("GET", "/api/v1/patients/{id}/readings", Clinical, get(api::patients::readings)),
        api_route("GET", "/api/v1/patients/{id}/rules", Clinical, get(api::rules::list)),
        api_route("PUT", "/api/v1/patients/{id}/rules/{rule}", Prescriber, put(api::rules::prescribe)),
        api_route("POST", "/api/v1/patients/{id}/pauses", Clinical, post(api::rules::pause)),
        api_route("GET", "/api/v1/patients/{id}/reports", Clinical, get(api::reports::list)),
        api_route("GET", "/api/v1/patients/{id}/reports/{week}", Clinical, get(api::reports::show)),
        api_route(
            "POST",
            "/api/v1/patients/{id}/reports/{week}/corrections",
            Clinical,
            post(api::reports::correct),
        ),
        api_route("GET", "/api/v1/practices", Clinical, get(api::reports::practices)),
        api_route("GET", "/api/v1/practices/{id}/reports/{week}", Clinical, get(api::reports::practice)),
        api_route("GET", "/api/v1/deliveries/undelivered", Clinical, get(api::reports::undelivered)),
        api_route("POST", "/api/v1/deliveries/{id}/send-again", Clinical, post(api::reports::send_again)),
        api_route("GET", "/api/v1/activity", Clinical, get(api::reports::activity)),
        api_route("GET", "/api/v1/devices", Devices, get(api::devices::list)),
        api_route("GET", "/api/v1/devices/{id}", Devices, get(api::devices::show)),
        api_route("GET", "/api/v1/devices/{id}/commands", Devices, get(api::devices::list_commands)),
        api_route("POST", "/api/v1/devices/{id}/commands", DeviceCommands, post(api::devices::ask)),
        api_route(
            "POST",
            "/api/v1/devices/{id}/commands/{command}/cancel",
            DeviceCommands,
            post(api::devices::cancel),
        ),
        api_route("POST", "/api/v1/devices/{id}/readings", Device, post(api::readings::take)),
        // No session: what a device shows is checked there.
        api_route("POST", "/api/v1/device-certificates", Everybody, post(api::certificates::issue)),
        api_route("GET", "/api/v1/events", Staff, get(api::events::follow)),
        api_route("GET", "/api/v1/audit", Staff, get(api::audit::list)),
        api_route("GET", "/openapi.json", Everybody, get(api::openapi::document)),
        api_route("GET", "/healthz", Everybody, get(api::health::alive)),
        api_route("GET", "/readyz", Everybody, get(api::health::ready)),
    ]
}

fn page_routes() -> Vec<Route> {
    use Access::{Clinical, DeviceCommands, Devices, Everybody, Prescriber, Staff};
    vec![
        page("GET", "/login", Everybody, get(pages::login::form)),
        page("POST", "/login", Everybody, post(pages::login::submit)),
        page("POST", "/logout", Staff, post(pages::login::leave)),
        page("POST", "/language", Everybody, post(pages::login::language)),
        page("GET", "/assets/{name}", Everybody, get(pages::assets::asset)),
        page("GET", "/", Staff, get(pages::worklist::home)),
        page("GET", "/patients", Clinical, get(pages::worklist::all_patients)),
        page("GET", "/patients/{id}", Clinical, get(pages::patient::show)),
        page("GET", "/devices", Devices, get(pages::devices::list)),
        page("GET", "/devices/{id}", Devices, get(pages::devices::show)),
        page("POST", "/devices/{id}/commands", DeviceCommands, post(pages::devices::ask)),
        page("POST", "/devices/{id}/commands/{command}/cancel", DeviceCommands, post(pages::devices::cancel)),
        page("GET", "/reports", Clinical, get(pages::reports::overview)),
        page("GET", "/patients/{id}/reports/{week}", Clinical, get(api::reports::show)),
        page("POST", "/patients/{id}/reports/{week}/corrections", Clinical, post(pages::reports::correct)),
        page("GET", "/practices/{id}/reports/{week}", Clinical, get(api::reports::practice)),
        page("POST", "/deliveries/{id}/send-again", Clinical, post(pages::reports::send_again)),
        page("GET", "/fragments/worklist-row/{id}", Clinical, get(pages::worklist::row)),
        page("POST", "/alerts/{id}/acknowledge", Clinical, post(pages::forms::acknowledge)),
        page("POST", "/alerts/{id}/resolve", Clinical, post(pages::forms::resolve)),
        page("POST", "/alerts/{id}/comment", Clinical, post(pages::forms::comment)),
        page("POST", "/alerts/{id}/assign", Clinical, post(pages::forms::assign)),
        page("POST", "/patients/{id}/rules/{rule}", Prescriber, post(pages::forms::prescribe)),
        page("POST", "/patients/{id}/pauses", Clinical, post(pages::forms::pause)),
    ]
}

fn table() -> Vec<Route> {
    let mut routes = api_routes();
    routes.extend(page_routes());
    routes
}

/// All routes, for tests and documents.
pub fn route_list() -> Vec<RouteInfo> {
    table().into_iter().map(|route| route.info).collect()
}

/// Pages and API.
pub fn router(app: App) -> Router {
    let mut router = Router::new();
    for route in table() {
        let post = Post { app: app.clone(), access: route.info.access, audience: route.audience };
        router = router.route(route.info.path, route.handler.route_layer(from_fn_with_state(post, guard)));
    }
    // Never the event stream: a compressor would hold events back.
    let compressible =
        SizeAbove::new(1024).and(NotForContentType::new("text/event-stream")).and(NotForContentType::IMAGES);
    router
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(app.clone(), edge))
        .layer(CompressionLayer::new().compress_when(compressible))
        .with_state(app)
}

async fn unknown() -> Response {
    Problem::not_found().into_response()
}
