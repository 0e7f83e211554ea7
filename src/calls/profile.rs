//! `jwt_profile`: what is known of a tag, and of its keys; nothing that is secret.

use super::check::{keys, profile};
use super::params::{answer, failed, refused, text};
use crate::clock;
use crate::jwt::algorithm::Algorithm;
use crate::jwt::key::Key;
use crate::keys::{HolderError, KeyHolder, Keys};
use crate::module::Module;
use crate::opensips::mi::{Answer, Member, Members, Params};
use crate::store::cache::Ready;
use crate::store::profiles::{MAX_TAG, Secret};

/// Most keys of one secret that are listed: a set may have many.
const MAX_KEYS: usize = 32;

/// `jwt_profile tag`: asks the database as a token would, for `db_timeout` at most, and no provider of keys.
pub fn describe(module: &'static Module, params: &Params<'_>) -> Answer {
    let describe = || {
        let tag = text(params, c"tag")?.ok_or_else(|| refused("tag is missing"))?;
        let Some(database) = &module.config.database else {
            return Err(refused("there are no profiles: db_url is not set"));
        };
        if !module.tables.profiles {
            return Err(refused("there is no table of profiles"));
        }
        if tag.len() > MAX_TAG {
            return Err(refused(format_args!("a tag has at most {MAX_TAG} bytes")));
        }
        let found = profile(module, &tag, database).map_err(failed)?;
        let mut members: Members = vec![
            (c"tag", tag.into()),
            (c"found", found.ready.is_some().into()),
            (c"from", found.from.into()),
            (c"age", found.age.as_secs().into()),
            (c"ttl", database.cache.ttl.as_secs().into()),
        ];
        if let Some(ready) = found.ready {
            let username = String::from_utf8_lossy(&ready.profile.username).into_owned();
            members.push((c"username", username.into()));
            members.push((c"secrets", Member::List(secrets(module, &ready))));
        }
        Ok(Answer::Object(members))
    };
    answer(describe())
}

/// A secret, what it stands for, and its keys.
type Row<'a> = (
    (&'a Secret, &'a KeyHolder),
    &'a Result<Keys<'a>, HolderError>,
);

fn secrets(module: &'static Module, ready: &Ready) -> Vec<Members> {
    let now = i64::try_from(clock::now().as_secs()).unwrap_or(i64::MAX);
    let found = keys(module, ready);
    let secrets = ready.profile.secrets.iter().zip(&ready.keys).zip(&found);
    let describe = |(number, ((secret, holder), keys)): (usize, Row<'_>)| {
        let state = match () {
            () if now < secret.start => "not yet valid",
            () if now >= secret.end => "over",
            () if keys.is_err() => "unusable",
            () => "valid",
        };
        let mut members: Members = vec![
            (c"row", (number + 1).into()),
            (c"start_ts", secret.start.into()),
            (c"end_ts", secret.end.into()),
            (c"state", state.into()),
        ];
        if let Some(place) = holder.place() {
            members.push((c"place", place.into()));
        }
        match keys {
            Ok(keys) => {
                if keys.weak_for(Algorithm::HS256) {
                    members.push((c"weak", true.into()));
                }
                let keys = keys.keys().iter().take(MAX_KEYS);
                let keys = keys.map(key).collect();
                members.push((c"keys", Member::List(keys)));
            }
            Err(error) => members.push((c"error", error.to_string().into())),
        }
        members
    };
    secrets.enumerate().map(describe).collect()
}

/// A key: what may be known of it by everybody.
pub(super) fn key(key: &Key) -> Members {
    let mut members: Members = vec![(c"kind", key.kind().into())];
    if let Some(kid) = key.kid() {
        members.push((c"kid", kid.into()));
    }
    members.push((c"algorithms", key.algorithms().to_string().into()));
    members
}
