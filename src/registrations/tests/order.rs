//! Which of several changes was the last.

use super::*;

#[test]
fn of_changes_at_once_the_one_that_stays_has_the_highest_order() {
    let Some(site) = Site::start() else { return };
    for is_split in [false, true] {
        for _ in 0..20 {
            let change = |at: usize| {
                let session = site.session();
                let [whole, split] = both(&session);
                let registrations = if is_split { split } else { whole };
                // The last one removes whatever is there.
                let contact = (at < 5).then(|| format!("sip:{at}"));
                let change = match &contact {
                    Some(contact) => {
                        match save(&registrations, "john@a.example", contact, None, NOW) {
                            Saved::Done(change) => change,
                            Saved::Full => panic!("there is no limit"),
                        }
                    }
                    None => match registrations.remove(&aor("john@a.example"), None, NOW) {
                        Ok(Removed::Done(change)) => change,
                        other => panic!("{other:?}"),
                    },
                };
                (change.order, contact)
            };
            let changes = thread::scope(|scope| {
                let threads = [0, 1, 2, 3, 4, 5].map(|at| scope.spawn(move || change(at)));
                threads.map(|thread| thread.join().unwrap())
            });
            let (_, last) = changes.iter().max().unwrap();
            let (entry, _, _) = site.kept("john@a.example");
            let contact = entry.map(|entry| entry["contact"].as_str().unwrap().to_owned());
            assert_eq!(&contact, last, "{changes:?}");
        }
    }
}
