use proptest::prelude::*;

use super::finished::ENDED_KEPT_MS;
use super::*;
use crate::attribution::ZoneEnergy;
use crate::meters::ZoneClass;

fn container(name: &str) -> Account {
    Account::Container {
        pod_uid: format!("pod-of-{name}"),
        container_id: name.to_owned(),
    }
}

fn zones(package_uj: u64, core_uj: u64, dram_uj: u64) -> Reading {
    let zone = |class: ZoneClass, value_uj: u64| {
        let energy = Estimate {
            low: Joules::from_microjoules(value_uj / 2),
            value: Joules::from_microjoules(value_uj),
            high: Joules::from_microjoules(value_uj * 2),
        };
        let idle = energy.map(|bound| Joules::from_microjoules(bound.microjoules() / 3));
        (
            Zone {
                class,
                path: class.to_string(),
            },
            ZoneEnergy { energy, idle },
        )
    };
    vec![
        zone(ZoneClass::Package, package_uj),
        zone(ZoneClass::Core, core_uj),
        zone(ZoneClass::Dram, dram_uj),
    ]
}

fn booking<'a>(
    zones: &'a Reading,
    cpu_ns: &'a [(usize, u64)],
    minutes: &'a [(i64, u64)],
) -> Booking<'a> {
    Booking {
        zones: Some(zones),
        provenance: Provenance::Simulated,
        model: None,
        cpu_ns,
        sockets: None,
        counted: Counted::default(),
        idle: &[],
        gpu: None,
        caught_up: false,
        minutes,
    }
}

fn recorded(books: &Books) -> Estimate<Joules> {
    let closed = books.pending.iter().map(|record| record.energy_uj);
    let open = books
        .accounts
        .iter()
        .flat_map(|book| book.open.iter().map(|entry| entry.energy));
    closed.chain(open).sum()
}

proptest! {
    #[test]
    fn records_accounts_and_zones_agree_to_the_microjoule(
        steps in prop::collection::vec(
            ((0_u64..1 << 30, 0_u64..1 << 30, 0_u64..1 << 30), prop::collection::vec(0_u64..1 << 33, 3), prop::collection::vec(0_u64..9, 4), 0_i64..200),
            1..60,
        )
    ) {
        let mut books = Books::default();
        let names = ["a", "b", "c"];
        let places: Vec<usize> = names.iter().map(|name| books.account(&container(name))).collect();
        let mut second = 1_000_020;
        for ((package, core, dram), cpu, idle, pause) in steps {
            second += pause;
            let cpu: Vec<(usize, u64)> = places.iter().copied().zip(cpu).collect();
            let idle: Vec<(usize, u64)> = places.iter().copied().chain([Books::IDLE]).zip(idle).collect();
            let minute = second / 60 * 60;
            books.book(&Booking {
                idle: &idle,
                ..booking(&zones(package, core, dram), &cpu, &[(minute, 7), (minute + 60, 3)])
            });
        }
        for (place, zone) in books.zones.iter().enumerate() {
            let sum: Joules = books.accounts.iter().filter_map(|book| book.energy.get(place)).copied().sum();
            prop_assert_eq!(sum, zone.total);
        }
        let recorded = recorded(&books);
        let accounts: Joules = books.accounts.iter().map(|book| book.total).sum();
        prop_assert_eq!(recorded.value, books.total());
        prop_assert_eq!(accounts, books.total());
        prop_assert_eq!((recorded.low, recorded.high), books.bounds);
        let mut sequences = books.pending.iter().map(|record| record.sequence);
        prop_assert!((1..).zip(&mut sequences).all(|(wanted, found)| wanted == found));
        prop_assert!(books.pending.is_sorted_by_key(|record| record.minute));
    }
}

#[test]
fn idle_energy_is_apart_or_shared_and_the_zones_own_figure_stays() {
    let energy_of = |idle: &[(usize, u64)]| {
        let mut books = Books::default();
        let place = books.account(&container("a"));
        assert_eq!(place, 4);
        books.book(&Booking {
            idle,
            ..booking(&zones(90, 0, 0), &[(place, 1)], &[(60, 1)])
        });
        assert_eq!(books.zones[0].idle.microjoules(), 30);
        let energy = |place: usize| books.accounts[place].total.microjoules();
        (energy(place), energy(Books::IDLE))
    };
    assert_eq!(energy_of(&[]), (60, 30));
    assert_eq!(energy_of(&[(4, 0)]), (60, 30));
    assert_eq!(energy_of(&[(4, 7)]), (90, 0));
    assert_eq!(energy_of(&[(4, 500), (Books::IDLE, 1_000)]), (70, 20));
}

#[test]
fn an_accelerators_energy_is_its_users_not_that_of_cpu_time() {
    let of = |gpu: Option<&[(usize, u64)]>| {
        let mut books = Books::default();
        let (cpu_user, gpu_user) = (
            books.account(&container("a")),
            books.account(&container("b")),
        );
        let exact = |energy_uj| Estimate::exact(Joules::from_microjoules(energy_uj));
        let zone = |class: ZoneClass, energy_uj, idle_uj| {
            let path = class.to_string();
            let (energy, idle) = (exact(energy_uj), exact(idle_uj));
            (Zone { class, path }, ZoneEnergy { energy, idle })
        };
        let zones = vec![
            zone(ZoneClass::Package, 50, 0),
            zone(ZoneClass::Gpu, 900, 200),
        ];
        books.book(&Booking {
            gpu,
            ..booking(&zones, &[(cpu_user, 1)], &[(60, 1)])
        });
        let energy = |place: usize| books.accounts[place].total.microjoules();
        [cpu_user, gpu_user, Books::SYSTEM, Books::IDLE].map(energy)
    };
    assert_eq!(of(None), [750, 0, 0, 200]);
    assert_eq!(of(Some(&[(5, 3)])), [50, 700, 0, 200]);
    assert_eq!(of(Some(&[(Books::SYSTEM, 1), (5, 6)])), [50, 600, 100, 200]);
    assert_eq!(of(Some(&[])), [50, 0, 700, 200]);
}

#[test]
fn a_pod_is_the_sum_of_its_containers_in_each_zone_and_in_the_last_interval() {
    let mut books = Books::default();
    let of_pod = |id: &str| Account::Container {
        pod_uid: "pod".to_owned(),
        container_id: id.to_owned(),
    };
    let (web, log) = (books.account(&of_pod("web")), books.account(&of_pod("log")));
    let other = books.account(&container("other"));
    let cpu = [(web, 3), (log, 2), (other, 5)];
    books.book(&booking(&zones(300, 150, 30), &cpu, &[(60, 1)]));
    // The log is silent, and its pod has what the other container used.
    books.book(&booking(&zones(600, 30, 0), &[(web, 1)], &[(60, 1)]));
    let sum = |of: fn(&AccountBook) -> &[Joules], zone: usize| -> Joules {
        let both = [web, log].map(|place| of(&books.accounts[place]));
        both.iter()
            .filter_map(|by_zone| by_zone.get(zone))
            .copied()
            .sum()
    };
    let pod = &books.pods["pod"];
    for zone in 0..3 {
        assert_eq!(pod.energy[zone], sum(|book| &book.energy, zone));
        assert_eq!(pod.last[zone], sum(|book| &book.last, zone));
    }
    assert_eq!(pod.energy[0].microjoules(), 100 + 400);
    assert_eq!(pod.last[0].microjoules(), 400);
    assert!(books.pods["pod-of-other"].last.is_empty());
}

#[test]
fn what_falls_in_one_minute_is_told_whole_with_its_bounds_and_its_time() {
    let mut books = Books::default();
    let place = books.account(&container("a"));
    books.book(&booking(&zones(90, 0, 0), &[(place, 7_000)], &[(60, 1)]));
    books.book(&booking(&zones(0, 0, 0), &[], &[(120, 1)]));
    let told = books
        .pending
        .iter()
        .find(|record| record.cpu_us > 0)
        .unwrap();
    assert_eq!((told.minute, told.cpu_us, told.caught_up), (60, 7, false));
    let bounds = told.energy_uj.map(Joules::microjoules);
    assert_eq!((bounds.low, bounds.value, bounds.high), (30, 60, 120));
}

#[test]
fn core_is_inside_package_and_not_added_again() {
    let mut books = Books::default();
    books.book(&booking(&zones(100, 60, 30), &[], &[(60, 1)]));
    assert_eq!(books.total().microjoules(), 130);
}

#[test]
fn a_clock_set_back_never_reopens_a_closed_minute() {
    let mut books = Books::default();
    for minute in [120, 180, 60, 240] {
        books.book(&booking(&zones(100, 0, 0), &[], &[(minute, 1)]));
    }
    let minutes: Vec<i64> = books.pending.iter().map(|record| record.minute).collect();
    assert!(minutes.is_sorted(), "{minutes:?}");
    let sum: Joules = books
        .pending
        .iter()
        .map(|record| record.energy_uj.value)
        .sum();
    assert_eq!(sum.microjoules(), 300);
}

/// An hour of a server's energy in one minute is more than any node's power: the
/// operator refused the record, and with it two days of the node.
#[test]
fn what_a_clock_set_back_leaves_in_the_open_minute_is_marked() {
    let mut books = Books::default();
    books.book(&booking(&zones(100, 0, 0), &[], &[(3_600, 1)]));
    for minute in 0..60 {
        books.book(&booking(&zones(100, 0, 0), &[], &[(60 * minute, 1)]));
    }
    books.book(&booking(&zones(100, 0, 0), &[], &[(3_660, 1)]));
    let sum = |caught_up: bool| -> u64 {
        let those = books
            .pending
            .iter()
            .filter(|one| one.caught_up == caught_up);
        those.map(|one| one.energy_uj.value.microjoules()).sum()
    };
    assert!(books.pending.iter().all(|record| record.minute == 3_600));
    assert_eq!((sum(false), sum(true)), (100, 6_000));
    // The agent was there all the time.
    assert_eq!(books.caught_up, Joules::ZERO);
}

/// A machine that sleeps has no agent that was away: what its register tells of
/// the night stood in one minute as if it were that minute's power.
#[test]
fn what_a_machine_used_asleep_is_marked() {
    let mut books = Books::default();
    books.book(&booking(&zones(100, 0, 0), &[], &[(60, 1)]));
    let night = [(120, 3_480_000), (3_600, 1_000)];
    books.book(&booking(&zones(3_481, 0, 0), &[], &night));
    books.book(&booking(&zones(100, 0, 0), &[], &[(3_660, 1)]));
    let told = |minute: i64| -> Vec<bool> {
        let those = books.pending.iter().filter(|one| one.minute == minute);
        those.map(|one| one.caught_up).collect()
    };
    assert!(told(60).iter().all(|late| !late) && !told(60).is_empty());
    assert!(told(120).iter().all(|late| *late) && !told(120).is_empty());
    assert!(told(3_600).iter().all(|late| !late));
    assert_eq!(books.caught_up, Joules::ZERO);
}

/// A disk that was full for a day took the agent's memory too.
#[test]
fn records_that_no_disk_takes_become_an_hours_and_no_energy_is_lost() {
    let mut books = Books::default();
    let places: Vec<usize> = (0..100)
        .map(|number| books.account(&container(&number.to_string())))
        .collect();
    let cpu: Vec<(usize, u64)> = places.iter().map(|&place| (place, 1_000_000)).collect();
    let minutes = 48 * 60;
    for minute in 0..minutes {
        books.book(&booking(&zones(10_000, 0, 0), &cpu, &[(minute * 60, 1)]));
    }
    // Of each minute until there are many, and after that of one an hour.
    assert!(books.pending.len() < 20_000, "{}", books.pending.len());
    let hours: std::collections::BTreeSet<i64> = books
        .pending
        .iter()
        .map(|record| record.minute / 3_600)
        .collect();
    assert!(hours.len() >= 47);
    assert_eq!(recorded(&books).value, books.total());
    // Once the disk takes them, minutes are minutes again.
    books.pending.clear();
    books.book(&booking(&zones(10_000, 0, 0), &cpu, &[(minutes * 60, 1)]));
    books.pending.clear();
    books.book(&booking(
        &zones(10_000, 0, 0),
        &cpu,
        &[(minutes * 60 + 60, 1)],
    ));
    assert!(
        books
            .pending
            .iter()
            .all(|one| one.minute == minutes * 60 && !one.caught_up)
    );
    assert!(!books.pending.is_empty());
}

#[test]
fn a_name_is_waited_for_by_a_clock_that_may_be_set_back() {
    let mut books = Books::default();
    let place = books.account(&container("web"));
    let book = &mut books.accounts[place];
    let begin_ms = 1_800_000_000_000;
    book.awaits_name_until_ms = begin_ms + account::NAME_WAIT_MS;
    assert!(book.awaits_name(begin_ms) && !book.awaits_name(begin_ms + account::NAME_WAIT_MS));
    assert!(!book.awaits_name(begin_ms - 86_400_000));
}

#[test]
fn a_finished_container_is_listed_then_folded_into_its_namespace() {
    let mut books = Books::default();
    let place = books.account(&container("job"));
    let names = Names {
        namespace: Some("batch".into()),
        pod: Some("job-1".into()),
        container: None,
    };
    books.name(place, &names);
    books.book(&booking(&zones(90, 0, 0), &[(place, 5)], &[(60, 1)]));
    books.accounts[place].ended_ms = Some(1_000);
    books.fold(1_000);
    assert_eq!(books.accounts.len(), 5, "still listed");
    books.fold(ENDED_KEPT_MS * 2);
    assert_eq!(books.accounts.len(), 5, "its minute is open");
    books.advance_to(120);
    books.fold(ENDED_KEPT_MS * 2);
    assert_eq!(books.accounts.len(), 4);
    assert_eq!(books.folded["batch"].microjoules(), 60);
    assert!(books.pods.is_empty());
}

#[test]
fn saved_books_go_on_as_if_never_closed() {
    let mut books = Books::default();
    let place = books.account(&container("web"));
    let reading = zones(1_000, 7, 9);
    let cpu = [(place, 12_345)];
    books.book(&booking(&reading, &cpu, &[(60, 1)]));
    let mut copy: Books = serde_json::from_slice(&serde_json::to_vec(&books).unwrap()).unwrap();
    copy.reopen().unwrap();
    for books in [&mut books, &mut copy] {
        books.book(&booking(&reading, &cpu, &[(120, 1)]));
    }
    assert_eq!(books, copy);
}

#[test]
fn readers_see_totals_and_the_last_interval_and_not_the_open_minute() {
    let mut books = Books::default();
    let (web, job) = (
        books.account(&container("web")),
        books.account(&container("job")),
    );
    books.accounts[web].path = Some("/pod/web".into());
    let book = |books: &mut Books, cpu_ns: &[(usize, u64)]| {
        books.book(&booking(&zones(1_000, 7, 9), cpu_ns, &[(60, 1)]));
    };
    book(&mut books, &[(web, 30), (job, 10)]);
    let mut copy = Books::default();
    books.show(&mut copy);
    // Its memory is used again, whatever it was of.
    book(&mut books, &[(job, 5)]);
    books.show(&mut copy);
    for (seen, book) in copy.accounts.iter().zip(&books.accounts) {
        assert_eq!(seen.account, book.account);
        assert_eq!((seen.total, seen.cpu_ns), (book.total, book.cpu_ns));
        assert_eq!((&seen.energy, &seen.last), (&book.energy, &book.last));
        assert!(seen.open.is_empty() && seen.path.is_none());
    }
    assert_eq!(copy.accounts.len(), books.accounts.len());
    assert!(!books.accounts[web].open.is_empty());
    books.accounts.truncate(5);
    books.show(&mut copy);
    assert_eq!(copy.accounts.len(), 5);
}

/// Whole numbers without a pattern (xorshift64*, Vigna 2016), the same in every
/// run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % bound
    }
}

#[test]
fn counted_cycles_share_the_package_and_counted_misses_the_memory() {
    let mut books = Books::default();
    let [warm, cold] = ["warm", "cold"].map(|name| books.account(&container(name)));
    // Of the same CPU time, at half the clock, and with all of the misses.
    let cpu_ns = [(warm, 1_000_000), (cold, 1_000_000)];
    let reading = zones(900, 600, 300);
    let (cycles, misses) = ([(warm, 2_000), (cold, 1_000)], [(cold, 7)]);
    let mut booking = booking(&reading, &cpu_ns, &[(60, 1)]);
    booking.counted = Counted {
        cycles: Some(Weights {
            by_account: &cycles,
            by_socket: &[],
        }),
        cache_misses: Some(Weights {
            by_account: &misses,
            by_socket: &[],
        }),
    };
    books.book(&booking);
    let parts = |books: &Books, place: usize| -> Vec<u64> {
        let energy = books.accounts[place].last.iter();
        energy.map(|energy| energy.microjoules()).collect()
    };
    // A third of each zone is idle.
    assert_eq!(parts(&books, warm)[..2], [400, 267]);
    assert_eq!(parts(&books, cold), [200, 133, 200]);
    assert_eq!(parts(&books, warm).get(2), None);
    let shared = |books: &Books| -> Vec<Option<Weight>> {
        books.zones.iter().map(|zone| zone.shared_by).collect()
    };
    let cycles = Some(Weight::Cycles);
    assert_eq!(shared(&books), [cycles, cycles, Some(Weight::CacheMisses)]);
    // An interval with a gap is shared by CPU time again.
    booking.counted = Counted::default();
    books.book(&booking);
    assert_eq!(parts(&books, warm), [300, 200, 100]);
    assert_eq!(shared(&books), [Some(Weight::CpuTime); 3]);
}

#[test]
fn who_was_counted_nowhere_keeps_its_cpu_time_in_its_minute() {
    let mut books = Books::default();
    let [counted, freed] = ["counted", "freed"].map(|name| books.account(&container(name)));
    let cpu_ns = [(counted, 5_000_000), (freed, 2_000_000)];
    let reading = zones(900, 600, 300);
    let mut booking = booking(&reading, &cpu_ns, &[(60, 1)]);
    let counts = [(counted, 10)];
    let weights = Some(Weights {
        by_account: &counts,
        by_socket: &[],
    });
    booking.counted = Counted {
        cycles: weights,
        cache_misses: weights,
    };
    books.book(&booking);
    books.advance_to(120);
    let record = |place: usize| {
        let account = &books.accounts[place].account;
        let mut records = books.pending.iter();
        records.find(|record| record.account == *account).unwrap()
    };
    assert_eq!(record(freed).cpu_us, 2_000);
    assert_eq!(record(freed).energy_uj.value, Joules::ZERO);
    assert_eq!(record(counted).cpu_us, 5_000);
}

/// Intervals of every kind: no CPU time, no energy, many and few accounts, idle
/// above the whole, minutes that change. `TANSO_INTERVALS=1000000` for the full
/// count.
#[test]
fn over_any_intervals_the_parts_are_the_meters_energy_to_the_microjoule() {
    let intervals = std::env::var("TANSO_INTERVALS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5_000_u64);
    let (mut numbers, mut books) = (Numbers(77), Books::default());
    let mut given_uj = [0_u64; 3];
    let mut minute = 0;
    for interval in 0..intervals {
        let scale = 10_u64.pow(u32::try_from(numbers.below(9)).unwrap());
        let [package, core, dram] = [0; 3].map(|_: u64| numbers.below(scale + 1));
        let reading = zones(package, core, dram);
        for (sum, (_, amount)) in given_uj.iter_mut().zip(&reading) {
            *sum += amount.energy.value.microjoules();
        }
        let members = numbers.below(12);
        let mut cpu: BTreeMap<usize, u64> = BTreeMap::new();
        for _ in 0..members {
            let name = format!("c{}", numbers.below(40));
            let place = books.account(&container(&name));
            let size = numbers.below(40);
            cpu.insert(place, numbers.below(1 << size));
        }
        let cpu_ns: Vec<(usize, u64)> = cpu.into_iter().collect();
        let next = minute + 60 * i64::from(numbers.below(50) == 0);
        let both = [(minute, 1 + numbers.below(9)), (next, 1 + numbers.below(9))];
        let minutes = if next == minute {
            &both[..1]
        } else {
            &both[..]
        };
        // Every other one on a machine with two sockets.
        let on_one = numbers.below(package + 1);
        let by_socket = [on_one, package - on_one].map(Joules::from_microjoules);
        let energy = [(ZoneClass::Package, (0..).zip(by_socket).collect())].into();
        let on_sockets: Vec<(usize, u32, u64)> = cpu_ns
            .iter()
            .flat_map(|&(place, ns)| {
                let on_one = numbers.below(ns + 1);
                [(place, 0, on_one), (place, 1, ns - on_one)]
            })
            .collect();
        let mut booking = booking(&reading, &cpu_ns, minutes);
        booking.sockets = (interval % 2 == 0).then_some(Sockets {
            energy: &energy,
            weights: &on_sockets,
        });
        // Counters of some intervals, on which more and others are than CPU time
        // was told of.
        let mut counts: Vec<(usize, u64)> = Vec::new();
        for place in 0..books.accounts.len() {
            if numbers.below(3) == 0 {
                counts.push((place, numbers.below(1 << 40)));
            }
        }
        let on_sockets: Vec<(usize, u32, u64)> = counts
            .iter()
            .map(|&(place, events)| (place, u32::from(events % 2 == 1), events))
            .collect();
        let counted = Weights {
            by_account: &counts,
            by_socket: &on_sockets,
        };
        booking.counted = Counted {
            cycles: (interval % 3 == 0).then_some(counted),
            cache_misses: (interval % 5 == 0).then_some(counted),
        };
        books.book(&booking);
        minute = next;
        if interval % 64 == 0 {
            books.pending.clear();
        }
        let total: Joules = books.accounts.iter().map(|book| book.total).sum();
        assert_eq!(total, books.total(), "interval {interval}");
    }
    for (zone, given_uj) in given_uj.iter().enumerate() {
        let parts: u64 = books
            .accounts
            .iter()
            .filter_map(|book| book.energy.get(zone))
            .map(|energy| energy.microjoules())
            .sum();
        assert_eq!(parts, *given_uj, "zone {zone}");
        assert_eq!(books.zones[zone].total.microjoules(), *given_uj);
    }
    eprintln!("{intervals} intervals: {given_uj:?} microjoules given, all of them found again");
}
