//! Changes of one key at a time, for a Cluster.

use ::redis::{Cmd, cmd};

use super::{ALL, Keys, Registrations, scripts};
use crate::redis::CacheError;

impl Registrations<'_> {
    /// Several commands: in one round trip, except in a Cluster.
    pub(super) fn all(&self, commands: impl Iterator<Item = Cmd>) -> Result<(), CacheError> {
        if self.is_split {
            let mut commands = commands;
            return commands.try_for_each(|command| self.session.query(&command));
        }
        let mut all = ::redis::pipe();
        for command in commands {
            all.add_command(command).ignore();
        }
        match all.is_empty() {
            true => Ok(()),
            false => self.session.run(|connection| all.query(connection)),
        }
    }

    /// Takes a place in the realm's index: its score before, if it had one; `None` if all are taken.
    pub(super) fn reserve(
        &self,
        keys: &Keys,
        limit: i64,
        end: &str,
        now: u64,
    ) -> Result<Option<String>, CacheError> {
        let mut reserve = scripts::RESERVE.key(keys.realm.as_slice());
        reserve.arg(keys.user.as_slice());
        reserve.arg(now).arg(limit).arg(end);
        let ((done, place), _): ((i64, String), _) =
            self.script(|connection| reserve.invoke(connection))?;
        Ok((done != 0).then_some(place))
    }

    /// Undoes [`reserve`](Self::reserve), unless somebody else has changed it.
    pub(super) fn give_back(
        &self,
        keys: &Keys,
        end: &str,
        place: &str,
        now: u64,
    ) -> Result<(), CacheError> {
        let mut give_back = scripts::GIVE_BACK.key(keys.realm.as_slice());
        give_back.arg(keys.user.as_slice());
        give_back.arg(now).arg(end).arg(place);
        let ((), _) = self.script(|connection| give_back.invoke(connection))?;
        Ok(())
    }

    /// Enters a registration in one index.
    pub(super) fn enter(
        &self,
        index: &[u8],
        user: &[u8],
        score: &str,
        now: u64,
    ) -> Result<(), CacheError> {
        let mut enter = scripts::ENTER.key(index);
        enter.arg(user).arg(now).arg(score);
        let ((), _) = self.script(|connection| enter.invoke(connection))?;
        Ok(())
    }

    /// Takes a registration out of both indexes.
    pub(super) fn leave(&self, keys: &Keys) -> Result<(), CacheError> {
        self.all([keys.realm.as_slice(), ALL.as_bytes()].iter().map(|index| {
            let mut leave = cmd("ZREM");
            leave.arg(*index).arg(keys.user.as_slice());
            leave
        }))
    }
}
