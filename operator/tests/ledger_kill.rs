//! Killing the process that books, again and again: nothing is lost, nothing
//! counts twice.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should end")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tanso_agent_wire::energy::{Account, JournalId, Names, Record};
use tanso_operator::ledger::{Page, append, open_file, query, verify};
use tanso_power::{Estimate, Joules, Provenance};

const LEDGER: &str = "TANSO_TEST_LEDGER";
/// Kills, unless `TANSO_KILLS` says otherwise.
const ROUNDS: u64 = 20;
/// Chooses after how many bookings each kill comes, unless `TANSO_SEED` does.
const SEED: u64 = 0x5eed;
const JOURNAL: JournalId = JournalId(0x5eed);

fn record(sequence: u64) -> Record {
    Record {
        sequence,
        minute: 1_790_000_040 + 60 * i64::try_from(sequence / 50).unwrap(),
        account: match sequence % 3 {
            0 => Account::Idle,
            n => Account::Container {
                pod_uid: format!("pod-{n}"),
                container_id: "c".into(),
            },
        },
        names: Names::default(),
        energy_uj: Estimate::exact(Joules::from_microjoules(1_000 + sequence)),
        cpu_us: sequence,
        provenance: Provenance::Modelled,
        model: None,
        caught_up: false,
        memory_peak_bytes: None,
    }
}

/// Books pages from where the ledger is, until it is killed, and says each
/// sequence that was acknowledged.
#[test]
#[ignore = "started by the test below in a process of its own, which it kills"]
fn child_books_until_it_is_killed() {
    let Ok(path) = std::env::var(LEDGER) else {
        return;
    };
    let mut ledger = open_file(Path::new(&path)).unwrap();
    let mut at = append::cursor(&ledger, "n1")
        .unwrap()
        .map_or(0, |cursor| cursor.sequence);
    loop {
        let through = at + 40;
        let page = Page {
            node: "n1".into(),
            journal: JOURNAL,
            // Asks from before the cursor: a repeat must not count.
            records: (at.saturating_sub(15) + 1..=through).map(record).collect(),
            next_sequence: through,
            closed_until: 1_790_000_040,
        };
        append::book(&mut ledger, &page, Timestamp::now()).unwrap();
        at = through;
        println!("acknowledged {at}");
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn kills_at_any_moment_lose_nothing_and_double_nothing() {
    let (rounds, seed) = (number("TANSO_KILLS", ROUNDS), number("TANSO_SEED", SEED));
    let mut random = seed | 1;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut acknowledged = 0;
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "child_books_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(LEDGER, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mut wanted = 1 + (random >> 33) % 9;
        while wanted > 0 {
            let line = lines.next().unwrap().unwrap();
            if let Some((_, sequence)) = line.split_once("acknowledged ") {
                acknowledged = sequence.trim().parse().unwrap();
                wanted -= 1;
            }
        }
        // SIGKILL, while the child is in one of its next bookings: at another
        // place of it each time.
        let until = Instant::now() + Duration::from_micros((random >> 20) % 4_000);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let rest = lines.map_while(Result::ok);
        acknowledged = rest
            .filter_map(|line| line.split_once("acknowledged ")?.1.trim().parse().ok())
            .last()
            .unwrap_or(acknowledged);
        let mut ledger = open_file(&path).unwrap();
        let at = append::cursor(&ledger, "n1").unwrap().unwrap().sequence;
        assert!(
            at >= acknowledged,
            "round {round}: {acknowledged} was acknowledged, {at} is booked"
        );
        let total = query::total_through(&mut ledger, None).unwrap().unwrap();
        let expected: u128 = (1..=at).map(|n| u128::from(1_000 + n)).sum();
        assert_eq!(total.energy_microjoules, expected, "round {round}");
        assert_eq!(total.rows_microjoules, Some(expected), "round {round}");
        assert!(verify::verify(&mut ledger).unwrap().sound, "round {round}");
        acknowledged = at;
    }
    assert!(acknowledged > rounds * 40);
    println!("{rounds} kills, seed {seed}: {acknowledged} records, none lost, none doubled");
}
