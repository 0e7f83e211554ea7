//! A server that follows a script, for what a real one can hardly be brought to do: as much of the
//! protocol of MySQL as it takes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::super::url::DbUrl;
use super::super::{Cell, Select, Source, StoreError};
use super::MySql;

const QUERY: u8 = 0x03;
const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;

/// What the server does with one connection.
#[derive(Clone, Copy)]
enum Step {
    /// Answers the handshake with these bytes, which are not a packet of a handshake.
    Handshake(&'static [u8]),
    /// Refuses to execute this many times with this error, and then gives a row.
    Refuse(u16, usize),
    /// Closes the connection instead of executing.
    Close,
}

struct Wire(TcpStream, u8);

impl Wire {
    fn send(&mut self, payload: &[u8]) -> Option<()> {
        let length = u32::try_from(payload.len()).ok()?.to_le_bytes();
        self.0
            .write_all(&[length[0], length[1], length[2], self.1])
            .ok()?;
        self.0.write_all(payload).ok()?;
        self.1 = self.1.wrapping_add(1);
        Some(())
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; 4];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
        let mut payload = vec![0; usize::try_from(length).ok()?];
        self.0.read_exact(&mut payload).ok()?;
        self.1 = head[3].wrapping_add(1);
        Some(payload)
    }

    fn column(&mut self) -> Option<()> {
        self.send(b"\x03def\0\0\0\x01c\0\x0c\x2d\0\xff\0\0\0\xfd\0\0\0\0\0")
    }

    fn end(&mut self) -> Option<()> {
        self.send(b"\xfe\0\0\x02\0")
    }

    /// One row of one column.
    fn row(&mut self, row: &[u8]) -> Option<()> {
        self.send(b"\x01")?;
        self.column()?;
        self.end()?;
        self.send(row)?;
        self.end()
    }

    fn serve(&mut self, step: Step, commands: &Sender<u8>) -> Option<()> {
        // Protocol 4.1, secure connection, authentication by plugin.
        self.send(
            b"\x0a8.0.0\0\x01\0\0\0abcdefgh\0\x08\x82\x2d\x02\0\x08\0\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0mysql_native_password\0",
        )?;
        self.receive()?;
        if let Step::Handshake(answer) = step {
            return self.send(answer);
        }
        self.send(b"\0\0\0\x02\0\0\0")?;
        let mut refused = 0;
        loop {
            let request = self.receive()?;
            let command = *request.first()?;
            commands.send(command).ok()?;
            match (command, step) {
                (QUERY, _) => self.row(b"\x0816777216")?,
                (PREPARE, _) => {
                    let has_parameter = request.contains(&b'?');
                    self.send(
                        &[
                            &b"\0\x01\0\0\0\x01\0"[..],
                            &[u8::from(has_parameter)],
                            b"\0\0\0\0",
                        ]
                        .concat(),
                    )?;
                    if has_parameter {
                        self.column()?;
                        self.end()?;
                    }
                    self.column()?;
                    self.end()?;
                }
                (EXECUTE, Step::Close) => return None,
                (EXECUTE, Step::Refuse(code, times)) if refused < times => {
                    refused += 1;
                    let code = code.to_le_bytes();
                    self.send(&[b"\xff", &code[..], b"#HY000no"].concat())?;
                }
                (EXECUTE, _) => self.row(b"\0\0\x05value")?,
                _ => {}
            }
        }
    }
}

/// A server whose first connections take one step each, the later ones none; and what it was told
/// to do.
fn server(steps: &'static [Step]) -> (MySql, Receiver<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, commands) = channel();
    thread::spawn(move || {
        let steps = steps
            .iter()
            .copied()
            .chain(std::iter::repeat(Step::Refuse(0, 0)));
        for (stream, step) in listener.incoming().zip(steps) {
            let sender = sender.clone();
            if let Ok(stream) = stream {
                thread::spawn(move || Wire(stream, 0).serve(step, &sender));
            }
        }
    });
    let url = DbUrl::parse(&format!("mysql://u:s3cret@127.0.0.1:{port}/d")).unwrap();
    let database = MySql::new(&url, Duration::from_secs(20)).unwrap();
    (database, commands)
}

const SELECT: Select<'static> = Select {
    table: "t",
    columns: &["c"],
    key: None,
    and: None,
    limit: 1,
};

fn select(database: &MySql, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
    let mut source = database.source(Instant::now() + Duration::from_secs(20));
    source.select(select)
}

fn prepared(commands: &Receiver<u8>) -> usize {
    commands
        .try_iter()
        .filter(|command| *command == PREPARE)
        .count()
}

#[test]
fn what_the_server_wants_repeated_is_prepared_again_once() {
    let row = vec![vec![Cell::Text(b"value".to_vec())]];
    for code in [
        &[Step::Refuse(1615, 1)],
        &[Step::Refuse(1213, 1)],
        &[Step::Refuse(1243, 1)],
    ] {
        let (database, commands) = server(code);
        assert_eq!(select(&database, &SELECT), Ok(row.clone()));
        assert_eq!(prepared(&commands), 2);
        // It was only temporary.
        assert_eq!(select(&database, &SELECT), Ok(row.clone()));
        let mut seen = Vec::new();
        let mut source = database.source(Instant::now());
        assert_eq!(source.each(&SELECT, &mut |row| seen.push(row)), Ok(()));
    }
    let (database, commands) = server(&[Step::Close]);
    assert_eq!(select(&database, &SELECT), Ok(row.clone()));
    assert_eq!(prepared(&commands), 2);
    let (database, commands) = server(&[Step::Refuse(1615, 1), Step::Refuse(1615, 1)]);
    assert!(matches!(
        select(&database, &SELECT),
        Err(StoreError::Refused { .. })
    ));
    assert_eq!(prepared(&commands), 2, "once, and not for ever");
    let (database, commands) = server(&[Step::Refuse(1146, 1)]);
    assert!(matches!(
        select(&database, &SELECT),
        Err(StoreError::Refused { .. })
    ));
    assert_eq!(
        prepared(&commands),
        1,
        "a table that is not there does not come"
    );
}

#[test]
fn a_table_that_is_read_as_a_whole_is_read_again_if_nothing_was_read() {
    let (database, commands) = server(&[Step::Refuse(1615, 1)]);
    let mut seen = Vec::new();
    let mut source = database.source(Instant::now());
    assert_eq!(source.each(&SELECT, &mut |row| seen.push(row)), Ok(()));
    assert_eq!((seen.len(), prepared(&commands)), (1, 2));
}

#[test]
fn a_text_that_the_column_can_not_have_is_in_no_row() {
    for code in [1267, 1300, 1366, 3988] {
        let steps: &'static [Step] = Box::leak(Box::new([Step::Refuse(code, 3)]));
        let key = |value| Select {
            key: Some(("c", value)),
            and: None,
            ..SELECT
        };
        let (database, commands) = server(steps);
        assert_eq!(select(&database, &key("\u{436}")), Ok(vec![]), "{code}");
        assert_eq!(
            prepared(&commands),
            1,
            "the connection is as good as before"
        );
        // What is in every character set is refused for another reason, and asked again.
        let row = vec![vec![Cell::Text(b"value".to_vec())]];
        assert_eq!(select(&database, &key("ascii")), Ok(row), "{code}");
        assert_eq!(prepared(&commands), 1);
    }
}

#[test]
fn a_panic_of_the_library_is_an_error_that_says_why() {
    // An empty packet; one that asks for another proof, without the salt that it needs.
    for answer in [&b""[..], b"\xfeparsec\0short\0", b"\xfe"] {
        let steps: &'static [Step] = Box::leak(Box::new([Step::Handshake(answer); 2]));
        let (database, _commands) = server(steps);
        match select(&database, &SELECT) {
            Err(StoreError::Unreachable(why)) => {
                assert!(!why.is_empty() && !why.contains("s3cret"), "{why}");
                if answer.is_empty() {
                    assert!(why.starts_with("the library mysql has panicked: "), "{why}");
                }
            }
            other => panic!("{other:?}"),
        }
    }
}
