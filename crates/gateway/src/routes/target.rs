//! Where a request of a route goes: the path that its upstream is asked for, or the place that it is
//! sent to.

use forebay_model::{Code, Error};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Uri};

use super::route::{Action, Rewrite, Route};
use super::template::Filling;
use super::{normal, request};

/// The target that the upstream is asked for; none where it is the request's own.
pub(crate) fn rewritten(
    route: &Route,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Option<Uri>, Error> {
    let Action::Upstream { rewrite: Some(rewrite), .. } = &route.action else { return Ok(None) };
    let path = uri.path();
    let written = match rewrite {
        Rewrite::Prefix(prefix) => match route.path.rest_of(path) {
            Some(rest) => format!("{prefix}/{rest}"),
            None if prefix.is_empty() => "/".to_owned(),
            None => prefix.clone(),
        },
        Rewrite::Path(template, _) => {
            let host = request::host(uri, headers);
            template.fill(Filling { pattern: &route.path, path, host: &host })
        }
    };
    let bad = || Error::new(Code::BadRequest, "the path cannot be written as the route wants it");
    let written = normal::path(&written).map_err(|_| bad())?;
    let whole = match uri.query() {
        Some(query) => format!("{written}?{query}"),
        None => written.into_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(whole).map_err(|_| bad())?);
    Uri::from_parts(parts).map(Some).map_err(|_| bad())
}

/// Where a redirect leads. The query goes along where the route says none.
pub(crate) fn place(route: &Route, uri: &Uri, headers: &HeaderMap) -> Result<HeaderValue, Error> {
    let Action::Redirect { to, text, .. } = &route.action else {
        return Err(Error::internal("the route is no redirect"));
    };
    let host = request::host(uri, headers);
    let filling = Filling { pattern: &route.path, path: uri.path(), host: &host };
    let mut place = to.fill(filling);
    if let Some(query) = uri.query().filter(|_| !text.contains('?')) {
        place.push('?');
        place.push_str(query);
    }
    let bad = |_| Error::new(Code::BadRequest, "the request cannot be sent elsewhere");
    HeaderValue::try_from(place).map_err(bad)
}
