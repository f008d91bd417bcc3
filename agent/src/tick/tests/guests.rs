use std::fmt::Write as _;

use super::*;
use crate::names::PodNames;
use crate::snapshot::details::MachineFigures;

const UUID: &str = "5c1b1f4e-7a4c-5d1b-9a36-6c1c1c8b0a11";

impl Node {
    fn is_pod(&self, pod: &str, container: &str) {
        let mut names = PodNames::default();
        names.namespace = "vms".to_owned();
        names.pod = pod.to_owned();
        names.containers = [("c".repeat(64), container.to_owned())].into();
        self.names.set(POD, names);
    }

    /// The container's processes, some of them in a group below its own.
    fn runs(&self, group: &str, processes: &[(u32, &str)]) {
        let group = self.container.join(group);
        fs::create_dir_all(&group).unwrap();
        let mut listed = String::new();
        for (pid, line) in processes {
            writeln!(listed, "{pid}").unwrap();
            let process = self.machine.path().join("proc").join(pid.to_string());
            fs::create_dir_all(&process).unwrap();
            fs::write(process.join("cmdline"), line.replace(' ', "\0")).unwrap();
        }
        fs::write(group.join("cgroup.procs"), listed).unwrap();
    }

    fn works(&mut self, cycle: &mut Cycle, milliseconds: u64) -> Vec<MachineFigures> {
        self.pass(1_000);
        self.container_used(milliseconds);
        self.source_counted(milliseconds);
        cycle.tick(self.now);
        let snapshot = cycle.parts.published.load_full().unwrap();
        snapshot.details.machines.clone()
    }
}

#[test]
fn a_virtual_machine_inside_a_pod_is_a_machine_and_its_pods_container() {
    let mut node = Node::new();
    node.is_pod("virt-launcher-web-x7k2p", "compute");
    node.runs("", &[(41, "/usr/bin/virt-launcher --name web")]);
    let mut cycle = node.start();
    assert_eq!(node.works(&mut cycle, 500), [], "its machine has not begun");
    let qemu = format!("/usr/libexec/qemu-kvm -name guest=vms_web,debug-threads=on -uuid {UUID} ");
    node.runs("machine", &[(42, &qemu)]);
    let mut machines = Vec::new();
    for step in 2..8 {
        machines = node.works(&mut cycle, 500 * step);
    }
    let [machine] = machines.as_slice() else {
        panic!("{machines:?}");
    };
    let told = (machine.id.as_str(), machine.name.as_str(), machine.running);
    assert_eq!(told, (UUID, "vms_web", true));
    let snapshot = cycle.parts.published.load_full().unwrap();
    let books = &snapshot.books;
    let of_pod = books
        .accounts
        .iter()
        .find(|book| matches!(&book.account, Account::Container { pod_uid, .. } if pod_uid == POD));
    let book = of_pod.unwrap();
    assert!(book.total > Joules::ZERO);
    let energy: Vec<Joules> = machine.zones.iter().map(|amount| amount.total).collect();
    assert_eq!(energy, book.energy, "with what it used before it was known");
    assert_eq!(machine.cpu_ns, book.cpu_ns);
    // Its energy is in the books once.
    let accounts: Joules = books.accounts.iter().map(|book| book.total).sum();
    assert_eq!(accounts, books.total());
}

#[test]
fn a_container_that_is_no_launcher_is_no_machine_whatever_it_runs() {
    let mut node = Node::new();
    node.is_pod("image-builder-1", "compute");
    node.runs("", &[(42, "qemu-system-x86_64 -name guest=vms_web ")]);
    let mut cycle = node.start();
    assert_eq!(node.works(&mut cycle, 500), []);
    assert_eq!(node.works(&mut cycle, 900), []);
}
