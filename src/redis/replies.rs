//! Replies that were written before anybody asked: what a server could answer, for the fuzz targets.

use std::io::{Cursor, Error, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};

use redis::{ConnectionLike, Parser, RedisResult, Value};

/// The replies, one after the other as they are sent (RESP). Whoever asks when there are none left finds that
/// the connection is closed. All connections share them.
#[derive(Clone, Debug)]
pub struct Replies(Arc<Mutex<Cursor<Vec<u8>>>>);

impl Replies {
    /// These bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Replies(Arc::new(Mutex::new(Cursor::new(bytes))))
    }

    /// As [`redis::Connection`] reads one.
    fn next(&self) -> RedisResult<Value> {
        let mut bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes.position() >= bytes.get_ref().len() as u64 {
            return Err(Error::from(ErrorKind::UnexpectedEof).into());
        }
        let reply = Parser::new().parse_value(&mut *bytes);
        if reply.is_err() {
            let end = bytes.get_ref().len() as u64;
            bytes.set_position(end);
        }
        reply
    }
}

impl ConnectionLike for Replies {
    fn req_packed_command(&mut self, _command: &[u8]) -> RedisResult<Value> {
        self.next()?.extract_error()
    }

    fn req_packed_commands(
        &mut self,
        _commands: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let replies: Vec<Value> = (0..offset + count)
            .map(|_| self.next())
            .collect::<RedisResult<_>>()?;
        Ok(replies.into_iter().skip(offset).collect())
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        true
    }

    fn is_open(&self) -> bool {
        true
    }
}
