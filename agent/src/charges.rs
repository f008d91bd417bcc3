//! From readings of CPU time by control group to CPU time by account.

pub mod counts;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use tanso_agent_wire::energy::Account;

use counts::LastCounts;

use crate::books::Books;
use crate::host::CgroupIndex;
use crate::kernel::{CpuReading, Group, GroupTime, SocketTime, TaskKind};
use crate::workloads::{CgroupId, ContainerRef, WorkloadKind, machine, parse};

/// The runtime of virtual machines, which stand among the standalone accounts.
pub const KVM: &str = "kvm";

/// Who is behind a control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account that its user tasks are charged to.
    pub account: Account,
    /// The container's runtime, for labels.
    pub runtime: &'static str,
    /// The container's own group: of nested groups the outermost.
    pub path: Option<String>,
}

impl Identity {
    /// Who is behind the group at `path`.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let ContainerRef {
            pod_uid,
            container_id,
            runtime,
            kind,
        } = parse(path);
        if kind == WorkloadKind::VirtualMachine
            && let Some((name, own)) = machine(path)
        {
            let account = Account::Standalone { container_id: name };
            return Self {
                account,
                runtime: KVM,
                path: Some(own.to_owned()),
            };
        }
        let own = container_id
            .as_ref()
            .and_then(|id| container_path(path, id.as_str()));
        let account = match (pod_uid, container_id) {
            (Some(uid), Some(id)) => Account::Container {
                pod_uid: uid.as_str().to_owned(),
                container_id: id.as_str().to_owned(),
            },
            (None, Some(id)) => Account::Standalone {
                container_id: id.as_str().to_owned(),
            },
            // Helpers in a pod's own group, beside its containers: the pod's.
            (Some(uid), None) if kind == WorkloadKind::Pod => Account::Container {
                pod_uid: uid.as_str().to_owned(),
                container_id: String::new(),
            },
            _ => Account::System,
        };
        Self {
            account,
            runtime: runtime.as_str(),
            path: own,
        }
    }
}

/// The path up to and with the segment that carries the container's id.
fn container_path(path: &str, id: &str) -> Option<String> {
    let at = path.find(id)?;
    let end = path
        .get(at..)?
        .find('/')
        .map_or(path.len(), |slash| at + slash);
    path.get(..end).map(str::to_owned)
}

/// Differences between readings, by account.
#[derive(Debug, Default)]
pub struct Charges {
    /// In the order of the groups.
    last: Vec<GroupTime>,
    last_by_socket: Vec<SocketTime>,
    by_socket: Vec<(usize, u32, u64)>,
    overflow: Duration,
    retired: Duration,
    counts: LastCounts,
    known: HashMap<CgroupId, Known>,
}

/// Who is behind a group, and where its account was found last.
#[derive(Debug)]
struct Known {
    identity: Identity,
    place: usize,
}

impl Known {
    fn of(path: &str) -> Self {
        Self {
            identity: Identity::of(path),
            place: Books::SYSTEM,
        }
    }

    /// The place of its account: mostly where it was before. To look at what
    /// stands there costs less than to search by two long ids, and places
    /// change under us.
    fn place(&mut self, books: &mut Books) -> usize {
        let there = books.accounts.get(self.place);
        if there.is_none_or(|book| book.account != self.identity.account) {
            self.place = place_of(&self.identity, books);
        }
        self.place
    }
}

impl Charges {
    /// CPU time by account since the last reading (or since the source was
    /// opened), nanoseconds; each account once, all parts together what the
    /// source counted.
    pub fn since_last(
        &mut self,
        reading: &CpuReading,
        index: Option<&mut CgroupIndex>,
        books: &mut Books,
    ) -> Vec<(usize, u64)> {
        let (deltas, vanished) = differences(&self.last, &reading.groups);
        self.last.clone_from(&reading.groups);
        if let Some(index) = index {
            for birth in &reading.births {
                index.note(birth.cgroup, &birth.path);
            }
            for &cgroup in &reading.removals {
                index.removed(cgroup);
            }
            self.identify(deltas.iter().map(|(group, _)| group.cgroup), index);
        }
        let mut charged: BTreeMap<usize, u64> = BTreeMap::new();
        let mut charge = |place: usize, cpu: Duration| {
            let cpu_ns = u64::try_from(cpu.as_nanos()).unwrap_or(u64::MAX);
            if cpu_ns > 0 {
                *charged.entry(place).or_default() += cpu_ns;
            }
        };
        for (group, delta) in deltas {
            charge(self.place(group, books), delta);
        }
        charge(
            Books::OVERFLOW,
            reading.overflow.saturating_sub(self.overflow),
        );
        self.overflow = reading.overflow;
        self.charge_vanished(reading, &vanished, books, &mut charge);
        self.tell_sockets(reading, books);
        charged.into_iter().collect()
    }

    /// CPU time by account and socket of the interval that was charged last,
    /// nanoseconds, in their order; nothing on a machine with one socket.
    pub fn take_sockets(&mut self) -> Vec<(usize, u32, u64)> {
        std::mem::take(&mut self.by_socket)
    }

    fn tell_sockets(&mut self, reading: &CpuReading, books: &mut Books) {
        let mut charged: BTreeMap<(usize, u32), u64> = BTreeMap::new();
        let mut last_by_socket = std::mem::take(&mut self.last_by_socket);
        let mut before = last_by_socket.iter().peekable();
        for time in &reading.sockets {
            let key = |time: &SocketTime| (time.group, time.socket);
            while before.next_if(|last| key(last) < key(time)).is_some() {}
            let last = before.next_if(|last| key(last) == key(time));
            let used = time
                .cpu
                .saturating_sub(last.map_or(Duration::ZERO, |last| last.cpu));
            if !used.is_zero() {
                let used_ns = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
                let place = self.place(time.group, books);
                *charged.entry((place, time.socket)).or_default() += used_ns;
            }
        }
        last_by_socket.clone_from(&reading.sockets);
        self.last_by_socket = last_by_socket;
        let charged = charged.into_iter();
        self.by_socket = charged
            .map(|((place, socket), ns)| (place, socket, ns))
            .collect();
    }

    /// The last stretch of removed groups: what was retired beyond what was
    /// charged of them. It goes to them in equal parts; which one it was of is
    /// not known.
    fn charge_vanished(
        &mut self,
        reading: &CpuReading,
        vanished: &[GroupTime],
        books: &mut Books,
        charge: &mut impl FnMut(usize, Duration),
    ) {
        let retired = reading.retired.saturating_sub(self.retired);
        self.retired = reading.retired;
        let known: Duration = vanished.iter().map(|time| time.cpu).sum();
        let rest_ns = u64::try_from(retired.saturating_sub(known).as_nanos()).unwrap_or(u64::MAX);
        match tanso_power::apportion(rest_ns, &vec![1; vanished.len()]) {
            Some(parts) => {
                for (time, part_ns) in vanished.iter().zip(parts) {
                    charge(self.place(time.group, books), Duration::from_nanos(part_ns));
                }
            }
            None => charge(Books::SYSTEM, Duration::from_nanos(rest_ns)),
        }
    }

    fn identify(&mut self, ids: impl Iterator<Item = CgroupId>, index: &mut CgroupIndex) {
        let unknown: Vec<CgroupId> = ids.filter(|id| !self.known.contains_key(id)).collect();
        if unknown.is_empty() {
            return;
        }
        index.learn(unknown.iter().copied());
        for id in unknown {
            if let Some(path) = index.known_path(id) {
                self.known.insert(id, Known::of(&path));
            }
        }
    }

    /// The account of a group's tasks, as far as the group is known.
    pub fn place(&mut self, group: Group, books: &mut Books) -> usize {
        if group.kind == TaskKind::Kernel {
            return Books::KERNEL;
        }
        match self.known.get_mut(&group.cgroup) {
            Some(known) => known.place(books),
            None => Books::SYSTEM,
        }
    }

    /// Opens an account for each container that exists, also for those
    /// without CPU time, and returns the accounts found: of the groups that are
    /// `alive`. Forgets the others.
    pub fn list(
        &mut self,
        alive: &HashSet<CgroupId>,
        index: &CgroupIndex,
        books: &mut Books,
    ) -> HashSet<Account> {
        self.known.retain(|id, _| alive.contains(id));
        let mut found = HashSet::new();
        for &id in alive {
            let known = match self.known.get(&id) {
                Some(known) => known,
                None => match index.known_path(id) {
                    Some(path) => self.known.entry(id).or_insert_with(|| Known::of(&path)),
                    None => continue,
                },
            };
            let identity = &known.identity;
            // Pods' own groups get an account when there is time to charge.
            if identity.path.is_some() {
                place_of(identity, books);
                found.insert(identity.account.clone());
            }
        }
        found
    }
}

/// What each group used between two readings, and the last times of those that
/// are no longer there. Both readings are in the order of the groups.
fn differences(
    before: &[GroupTime],
    now: &[GroupTime],
) -> (Vec<(Group, Duration)>, Vec<GroupTime>) {
    let (mut deltas, mut vanished) = (Vec::new(), Vec::new());
    let mut before = before.iter().peekable();
    for time in now {
        while let Some(gone) = before.next_if(|last| last.group < time.group) {
            vanished.push(*gone);
        }
        let last = before.next_if(|last| last.group == time.group);
        let delta = time
            .cpu
            .saturating_sub(last.map_or(Duration::ZERO, |last| last.cpu));
        if !delta.is_zero() {
            deltas.push((time.group, delta));
        }
    }
    vanished.extend(before.copied());
    (deltas, vanished)
}

/// The account of a process by the text of its `/proc/PID/cgroup`, in
/// whichever hierarchy a line names a container.
pub fn place_of_process(text: &str, books: &mut Books) -> usize {
    let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let mut owned = paths
        .map(Identity::of)
        .filter(|identity| identity.account != Account::System);
    match owned.next() {
        Some(identity) => place_of(&identity, books),
        None => Books::SYSTEM,
    }
}

fn place_of(identity: &Identity, books: &mut Books) -> usize {
    let place = books.account(&identity.account);
    if let Some(book) = books.accounts.get_mut(place)
        && book.path != identity.path
    {
        book.path.clone_from(&identity.path);
        identity.runtime.clone_into(&mut book.runtime);
    }
    place
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::kernel::Losses;

    fn reading(groups: &[(u64, u64)], retired_ns: u64) -> CpuReading {
        let groups = groups.iter().map(|&(inode, ns)| GroupTime {
            group: Group {
                cgroup: CgroupId::new(inode),
                kind: TaskKind::User,
            },
            cpu: Duration::from_nanos(ns),
        });
        CpuReading {
            at: Instant::now(),
            groups: groups.collect(),
            sockets: Vec::new(),
            births: Vec::new(),
            removals: Vec::new(),
            processes: Vec::new(),
            counts: None,
            tree_changed: true,
            tree_told: false,
            overflow: Duration::ZERO,
            retired: Duration::from_nanos(retired_ns),
            looked_at: 0,
            losses: Losses::default(),
            cost: Duration::ZERO,
        }
    }

    #[test]
    fn a_removed_groups_last_stretch_is_charged() {
        let (mut charges, mut books) = (Charges::default(), Books::default());
        charges.since_last(&reading(&[(1, 100), (2, 50)], 0), None, &mut books);
        let after = charges.since_last(&reading(&[(1, 130)], 57), None, &mut books);
        assert_eq!(after, [(Books::SYSTEM, 30 + 7)]);
    }

    #[test]
    fn a_containers_time_is_its_own_also_after_another_left_the_list() {
        let (mut charges, mut books) = (Charges::default(), Books::default());
        let mut index = CgroupIndex::new("/nonexistent".into());
        let id = |letter: &str| letter.repeat(64);
        for (inode, letter) in [(1, "a"), (2, "b")] {
            let path = format!("/docker/{}", id(letter));
            index.note(CgroupId::new(inode), &path.into());
        }
        let first = reading(&[(1, 100), (2, 50)], 0);
        let booked = charges.since_last(&first, Some(&mut index), &mut books);
        assert_eq!(booked, [(4, 100), (5, 50)]);
        books.accounts[4].ended_ms = Some(0);
        assert!(books.fold(24 * 3_600_000));
        let second = reading(&[(1, 100), (2, 80)], 0);
        let booked = charges.since_last(&second, Some(&mut index), &mut books);
        assert_eq!(booked, [(4, 30)]);
        let account = Account::Standalone {
            container_id: id("b"),
        };
        assert_eq!(books.accounts[4].account, account);
        // The one that left comes back as an account of its own.
        let third = reading(&[(1, 107), (2, 80)], 0);
        let booked = charges.since_last(&third, Some(&mut index), &mut books);
        assert_eq!(booked, [(5, 7)]);
    }

    #[test]
    fn a_process_is_of_the_container_that_any_hierarchy_names() {
        let mut books = Books::default();
        let id = "b".repeat(64);
        let text = format!("3:cpu:/docker/{id}\n1:name=systemd:/\n0::/\n");
        let place = place_of_process(&text, &mut books);
        let account = Account::Standalone { container_id: id };
        assert_eq!(books.accounts[place].account, account);
        assert_eq!(
            place_of_process("0::/system.slice/x.service\n", &mut books),
            Books::SYSTEM
        );
    }

    #[test]
    fn a_nested_group_is_its_containers() {
        let id = "a".repeat(64);
        let pod = "0c4b1a52-3a5b-4c77-8f4e-5f2b6d7e8a90";
        let own = format!(
            "/kubepods.slice/kubepods-pod{}.slice/cri-containerd-{id}.scope",
            pod.replace('-', "_")
        );
        let identity = Identity::of(&format!("{own}/init/deep"));
        assert_eq!(identity.path, Some(own));
        assert_eq!(
            identity.account,
            Account::Container {
                pod_uid: pod.into(),
                container_id: id
            }
        );
    }
}
