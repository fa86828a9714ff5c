//! Listens for hosts that announce themselves on the network (DNS-SD over multicast DNS).
//!
//! Anybody can announce anything: names that are not plain host names are dropped, and everything is
//! limited in number.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use mdns_sd::{
    DaemonStatus, Error, HostnameResolutionEvent, Receiver, ResolvedService, ScopedIp,
    ServiceDaemon, ServiceEvent,
};

/// The maximum number of hosts.
pub const MAX_HOSTS: usize = 256;
/// The maximum number of addresses and of services of a host.
pub const MAX_PER_HOST: usize = 16;
/// The maximum length of a host name in bytes (RFC 1035).
pub const MAX_NAME: usize = 253;

const LOOK_EVERY: Duration = Duration::from_millis(20);
const TO_END: Duration = Duration::from_millis(500);

/// One host, and what it announces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Such as `nerves-1a2b.local`: in lower case, without the dot at the end.
    pub host: String,
    /// Its addresses: first those of IPv4.
    pub addresses: Vec<String>,
    /// Kind (such as `_ssh._tcp`) and port.
    pub services: Vec<(String, u16)>,
}

/// Everything that was announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hearing {
    /// By host name.
    pub hosts: Vec<Heard>,
    /// How many announcements were invalid, or too many.
    pub dropped: usize,
}

/// What to ask for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Kinds of services, such as `_ssh._tcp`.
    pub kinds: Vec<String>,
    /// Hosts whose addresses are wanted, such as `nerves.local`. If no kinds are asked for, listening
    /// ends as soon as all of these are known.
    pub hosts: Vec<String>,
}

/// Asks, and listens for `time`, or until `wanted` returns `false`. Returns the system's error if that
/// is not possible.
pub fn listen(
    asked: &Asked,
    time: Duration,
    mut wanted: impl FnMut() -> bool,
) -> Result<Hearing, String> {
    let until = Instant::now() + time;
    let daemon = ServiceDaemon::new().map_err(|error| error.to_string())?;
    let hearing = Ears::open(&daemon, asked).map(|ears| {
        let mut gathered = Gathered::default();
        while wanted() {
            ears.take(&mut gathered);
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || gathered.knows(asked) {
                break;
            }
            thread::sleep(left.min(LOOK_EVERY));
        }
        gathered.into_hearing()
    });
    end(&daemon);
    hearing.map_err(|error| error.to_string())
}

struct Ears {
    kinds: Vec<(String, Receiver<ServiceEvent>)>,
    hosts: Vec<Receiver<HostnameResolutionEvent>>,
}

impl Ears {
    fn open(daemon: &ServiceDaemon, asked: &Asked) -> Result<Self, Error> {
        let kind = |kind: &String| {
            let channel = daemon.browse(&format!("{kind}.local."));
            channel.map(|channel| (kind.clone(), channel))
        };
        let host = |host: &String| daemon.resolve_hostname(&format!("{host}."), None);
        Ok(Ears {
            kinds: asked.kinds.iter().map(kind).collect::<Result<_, _>>()?,
            hosts: asked.hosts.iter().map(host).collect::<Result<_, _>>()?,
        })
    }

    fn take(&self, gathered: &mut Gathered) {
        for (kind, channel) in &self.kinds {
            channel.try_iter().for_each(|event| match event {
                ServiceEvent::ServiceResolved(service) => gathered.resolved(kind, &service),
                ServiceEvent::ServiceRemoved(_, name) => gathered.removed(kind, &name),
                _ => (),
            });
        }
        for event in self.hosts.iter().flat_map(Receiver::try_iter) {
            if let HostnameResolutionEvent::AddressesFound(host, addresses) = event {
                gathered.add(&host, None, &texts(&addresses));
            }
        }
    }
}

fn texts(addresses: &HashSet<ScopedIp>) -> Vec<(IpAddr, String)> {
    let text = |address: &ScopedIp| (address.to_ip_addr(), address.to_string());
    addresses.iter().map(text).collect()
}

/// Its thread ends when it is told to, through a queue that may be full.
fn end(daemon: &ServiceDaemon) {
    let until = Instant::now() + TO_END;
    loop {
        match daemon.shutdown() {
            Ok(ended) => {
                let left = until.saturating_duration_since(Instant::now());
                let _: Result<DaemonStatus, _> = ended.recv_timeout(left);
                return;
            }
            Err(Error::Again) if Instant::now() < until => thread::sleep(LOOK_EVERY),
            Err(_) => return,
        }
    }
}

#[derive(Default)]
struct Gathered {
    /// host => addresses, and services by their full name
    hosts: BTreeMap<String, Host>,
    dropped: usize,
}

#[derive(Default)]
struct Host {
    addresses: BTreeSet<(bool, String)>,
    services: BTreeMap<(String, String), u16>,
}

impl Gathered {
    fn resolved(&mut self, kind: &str, service: &ResolvedService) {
        let said = (kind, service.get_fullname(), service.get_port());
        let addresses = texts(service.get_addresses());
        self.add(service.get_hostname(), Some(said), &addresses);
    }

    /// `said`: kind, full name and port of a service
    fn add(&mut self, host: &str, said: Option<(&str, &str, u16)>, addresses: &[(IpAddr, String)]) {
        let nowhere = said.is_some_and(|(_, _, port)| port == 0);
        let known = host_name(host).filter(|host| {
            !nowhere && (self.hosts.contains_key(host) || self.hosts.len() < MAX_HOSTS)
        });
        let Some(host) = known else {
            self.dropped += 1;
            return;
        };
        let entry = self.hosts.entry(host).or_default();
        if let Some((kind, name, port)) = said {
            let service = (kind.to_owned(), name.to_owned());
            if entry.services.len() < MAX_PER_HOST || entry.services.contains_key(&service) {
                entry.services.insert(service, port);
            } else {
                self.dropped += 1;
            }
        }
        for (ip, text) in addresses.iter().filter(|(ip, _)| reachable(ip)) {
            if entry.addresses.len() < MAX_PER_HOST {
                entry.addresses.insert((ip.is_ipv6(), text.clone()));
            }
        }
    }

    /// A service that says goodbye, and its host with it if it has no other.
    fn removed(&mut self, kind: &str, name: &str) {
        let service = (kind.to_owned(), name.to_owned());
        self.hosts.retain(|_, host| {
            host.services.remove(&service).is_none() || !host.services.is_empty()
        });
    }

    fn knows(&self, asked: &Asked) -> bool {
        let known = |host: &String| {
            let entry = self.hosts.get(&host.to_ascii_lowercase());
            entry.is_some_and(|entry| !entry.addresses.is_empty())
        };
        asked.kinds.is_empty() && asked.hosts.iter().all(known)
    }

    fn into_hearing(self) -> Hearing {
        let heard = |(host, entry): (String, Host)| {
            let services: BTreeSet<(String, u16)> = entry
                .services
                .into_iter()
                .map(|((kind, _), port)| (kind, port))
                .collect();
            Heard {
                host,
                addresses: entry.addresses.into_iter().map(|(_, text)| text).collect(),
                services: services.into_iter().collect(),
            }
        };
        Hearing {
            hosts: self.hosts.into_iter().map(heard).collect(),
            dropped: self.dropped,
        }
    }
}

/// Letters, digits, `-`, `_` and dots; no part of it begins with `-`, as an option would.
fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let part = |part: &str| {
        !part.is_empty() && part.len() < 64 && !part.starts_with('-') && part.bytes().all(plain)
    };
    (name.len() <= MAX_NAME && name.contains('.') && name.split('.').all(part))
        .then(|| name.to_ascii_lowercase())
}

/// Anybody may announce any address: addresses of this host, or of many hosts, are rejected.
fn reachable(ip: &IpAddr) -> bool {
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || broadcast)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<(IpAddr, String)> {
        let ip = |text: &&str| (text.parse().unwrap(), text.to_string());
        texts.iter().map(ip).collect()
    }

    #[test]
    fn what_one_host_announces_is_one_host() {
        let mut all = Gathered::default();
        let both = ips(&["fe80::1", "10.0.0.2", "127.0.0.1", "224.0.0.1"]);
        all.add("Nerves-1A2B.local.", Some(("_ssh._tcp", "a", 22)), &both);
        all.add(
            "nerves-1a2b.local.",
            Some(("_epmd._tcp", "a", 4369)),
            &ips(&["10.0.0.2"]),
        );
        all.add("nerves-1a2b.local.", Some(("_ssh._tcp", "b", 22)), &[]);
        let hearing = all.into_hearing();
        assert_eq!(hearing.dropped, 0);
        let services = [("_epmd._tcp", 4369), ("_ssh._tcp", 22)];
        let heard = Heard {
            host: "nerves-1a2b.local".into(),
            addresses: vec!["10.0.0.2".into(), "fe80::1".into()],
            services: services.map(|(kind, port)| (kind.into(), port)).to_vec(),
        };
        assert_eq!(hearing.hosts, [heard]);
    }

    #[test]
    fn what_is_no_host_name_is_dropped() {
        let long = format!("{}.local.", "a.".repeat(140));
        let bad = [
            "",
            ".",
            "local",
            "-oProxyCommand=reboot.local.",
            "a b.local.",
            "a\u{1b}[2J.local.",
            "ä.local.",
            "a..local.",
            "a/b.local.",
            &long,
        ];
        let mut all = Gathered::default();
        for host in bad {
            all.add(host, Some(("_ssh._tcp", "x", 22)), &ips(&["10.0.0.2"]));
        }
        all.add("good.local.", Some(("_ssh._tcp", "x", 0)), &[]);
        let hearing = all.into_hearing();
        assert_eq!((hearing.dropped, hearing.hosts.len()), (bad.len() + 1, 0));
    }

    #[test]
    fn there_is_a_bound_on_everything() {
        let mut all = Gathered::default();
        for number in 0..1_000 {
            all.add(
                &format!("host{number}.local."),
                Some(("_ssh._tcp", "x", 22)),
                &[],
            );
            let address = ips(&[&format!("10.0.{}.{}", number / 250, number % 250 + 1)]);
            let name = number.to_string();
            all.add(
                "host1.local.",
                Some(("_ssh._tcp", &name, number as u16 + 1)),
                &address,
            );
        }
        let hearing = all.into_hearing();
        assert_eq!(hearing.hosts.len(), MAX_HOSTS);
        let many = hearing
            .hosts
            .iter()
            .find(|heard| heard.host == "host1.local");
        let many = many.unwrap();
        let counts = (many.addresses.len(), many.services.len());
        assert_eq!(counts, (MAX_PER_HOST, MAX_PER_HOST));
        assert!(hearing.dropped > 1_000);
    }

    #[test]
    fn a_host_that_says_goodbye_is_gone() {
        let mut all = Gathered::default();
        all.add(
            "a.local.",
            Some(("_ssh._tcp", "a._ssh._tcp.local.", 22)),
            &[],
        );
        all.add(
            "a.local.",
            Some(("_epmd._tcp", "a._epmd._tcp.local.", 4369)),
            &[],
        );
        all.removed("_ssh._tcp", "a._ssh._tcp.local.");
        all.removed("_ssh._tcp", "a._ssh._tcp.local.");
        assert_eq!(all.hosts.len(), 1);
        all.removed("_epmd._tcp", "a._epmd._tcp.local.");
        assert_eq!(all.hosts.len(), 0);
    }

    #[test]
    fn nobody_listens_longer_than_is_wanted() {
        let minute = Duration::from_secs(60);
        let kinds = |kind: &str| Asked {
            kinds: vec![kind.into()],
            ..Asked::default()
        };
        let began = Instant::now();
        assert!(listen(&kinds("_hotpush-none._tcp"), minute, || false).is_ok());
        assert!(listen(&Asked::default(), minute, || true).is_ok());
        assert!(listen(&kinds("no kind"), minute, || true).is_err());
        assert!(began.elapsed() < minute / 2);
    }

    #[test]
    fn the_addresses_of_hosts_that_are_asked_for_are_enough() {
        let asked = Asked {
            hosts: vec!["Nerves.local".into(), "other.local".into()],
            ..Asked::default()
        };
        let mut all = Gathered::default();
        all.add("nerves.local.", None, &ips(&["10.0.0.2"]));
        assert!(!all.knows(&asked));
        all.add("other.local.", None, &ips(&["127.0.0.1"]));
        assert!(!all.knows(&asked));
        all.add("other.local.", None, &ips(&["fe80::2"]));
        assert!(all.knows(&asked));
    }
}
