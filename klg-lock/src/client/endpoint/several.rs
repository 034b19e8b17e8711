//! A URI that names several hosts: of a cluster, or the sentinels that know a master.

use super::authority::{Part, checked_database, no_database};
use super::options::Options;
use super::{Address, Endpoint, Kind};
use crate::error::Error;

const SENTINEL_PORT: u16 = 26379;

#[derive(Clone, Copy)]
pub(super) enum Several {
    Cluster,
    Sentinel,
}

impl Several {
    /// Whether the library was built for it.
    fn check(self) -> Result<(), Error> {
        let (built, feature) = match self {
            Self::Cluster => (cfg!(feature = "cluster"), "cluster"),
            Self::Sentinel => (cfg!(feature = "sentinel"), "sentinel"),
        };
        if built {
            return Ok(());
        }
        Err(Error::config(format!(
            "redis+{feature}:// needs the feature `{feature}` of klg-lock: klg-lock = {{ features = [\"{feature}\"] }}"
        )))
    }

    fn scheme(self, tls: bool) -> &'static str {
        match (self, tls) {
            (Self::Cluster, false) => "redis+cluster",
            (Self::Cluster, true) => "rediss+cluster",
            (Self::Sentinel, false) => "redis+sentinel",
            (Self::Sentinel, true) => "rediss+sentinel",
        }
    }
}

impl Endpoint {
    pub(super) fn several(rest: &str, tls: bool, several: Several) -> Result<Self, Error> {
        let scheme = several.scheme(tls);
        let (user_info, rest) = match rest.rsplit_once('@') {
            Some((user_info, rest)) => (Some(user_info), rest),
            None => (None, rest),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (hosts, tail) = rest.split_at(end);
        let mut addresses: Vec<Address> = Vec::new();
        for host in hosts.split(',').map(str::trim) {
            if host.is_empty() {
                return Err(Error::config(format!(
                    "{scheme}:// needs at least one host, and none between two commas: {scheme}://a:6379,b:6379"
                )));
            }
            let mut address = Part::parse(host)?.address()?;
            if let (Several::Sentinel, Address::Tcp { port, .. }) = (several, &mut address)
                && !has_port(host)
            {
                *port = SENTINEL_PORT;
            }
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let path = tail.split(['?', '#']).next().unwrap_or_default();
        let mut segments = path
            .trim_matches('/')
            .splitn(2, '/')
            .filter(|s| !s.is_empty());
        let master = match several {
            Several::Cluster => None,
            Several::Sentinel => Some(segments.next().ok_or_else(|| {
                Error::config(
                    "the master's name is missing; write redis+sentinel://host:26379,host:26379/master-name",
                )
            })?),
        };
        let database = match segments.next() {
            Some(number) => checked_database(number.parse().map_err(|_| no_database())?)?,
            None => 0,
        };
        if matches!(several, Several::Cluster) && database != 0 {
            return Err(Error::config(
                "a cluster has no database but 0; leave it out",
            ));
        }
        let user_info = user_info.map(|u| format!("{u}@")).unwrap_or_default();
        let options = Options::parse(tail)?;
        let credentials = Part::parse(&format!("{user_info}host"))?.credentials();
        let mut label = format!("{scheme}://");
        for (index, address) in addresses.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            label.push_str(&format!("{comma}{address}"));
        }
        if let Some(master) = master {
            label.push_str(&format!("/{master}"));
        }
        if database != 0 {
            label.push_str(&format!("/{database}"));
        }
        // Last: what is wrong with the URI itself is said whatever the library was built for.
        several.check()?;
        Ok(Self {
            kind: match master {
                Some(master) => Kind::Sentinel {
                    sentinels: addresses,
                    master: master.into(),
                },
                None => Kind::Cluster(addresses),
            },
            credentials,
            sentinel_credentials: options.sentinel.clone(),
            database,
            protocol: options.protocol,
            tls: options.tls(tls)?,
            label: label.into(),
        })
    }
}

fn has_port(host: &str) -> bool {
    // The colons of an IPv6 address stand inside brackets.
    host.rsplit(']').next().unwrap_or_default().contains(':')
}
