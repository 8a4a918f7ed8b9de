//! One conversation with a container runtime: gRPC over its UNIX socket.
//!
//! Identities go out, names come back. Every call ends within [`CALL`], and no answer may be larger than
//! [`MESSAGE`]: the runtime is another program, and may be slow, dead or wrong.

use std::{collections::HashMap, path::Path, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use prost::Message;
use tokio::time::timeout;
use tonic::{
    Request, Status,
    client::Grpc,
    transport::{Channel, Endpoint, Uri},
};
use tonic_prost::ProstCodec;

use super::{
    Names,
    message::{Container, Containers, Filter, ListRequest, Pod, Pods, Version, VersionRequest},
    workload::workload,
};

/// How long one call may take, and how long the connection.
const CALL: Duration = Duration::from_secs(2);
/// Bytes of an answer; the kubelet allows as many.
const MESSAGE: usize = 16 << 20;

/// Bytes of a name, as many as Kubernetes allows; a longer one is not believed.
const NAME: usize = 253;

const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const CONTAINERS: &str = "/runtime.v1.RuntimeService/ListContainers";
const PODS: &str = "/runtime.v1.RuntimeService/ListPodSandbox";

/// A runtime that answered.
pub(super) struct Client {
    calls: Grpc<Channel>,
    /// What it calls itself, and its version.
    pub runtime: String,
}

impl Client {
    /// Connects, and asks who is there.
    ///
    /// # Errors
    /// When nobody listens at the socket, or somebody who does not speak version 1 of the interface.
    pub(super) async fn open(socket: &Path) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()))?;
        let channel = timeout(CALL, endpoint.connect()).await.map_err(|_| late())?.map_err(root)?;
        let calls = Grpc::new(channel).max_decoding_message_size(MESSAGE);
        let mut client = Self { calls, runtime: String::new() };
        let version: Version = client.call(VERSION, VersionRequest {}).await?;
        client.runtime = format!("{} {}", version.runtime_name, version.runtime_version);
        Ok(client)
    }

    /// The names of all containers and pods, by identity; at most `bound` of each.
    pub(super) async fn all(&mut self, bound: usize) -> Result<Vec<(String, Names)>> {
        let (mut containers, mut pods) = (self.containers("").await?, self.pods("").await?);
        containers.truncate(bound);
        pods.truncate(bound);
        Ok(joined(containers, pods))
    }

    /// The names of one container, or of a pod; `None` when the runtime does not know it.
    pub(super) async fn one(&mut self, id: &str) -> Result<Option<Names>> {
        let containers = self.containers(id).await?;
        // The pod itself has a container, which is not listed and bears the pod's identity.
        let pod = containers.first().map_or(id, |container| &container.pod_sandbox_id).to_owned();
        let names = joined(containers, self.pods(&pod).await?);
        Ok(names.into_iter().find_map(|(found, names)| (found == id).then_some(names)))
    }

    async fn containers(&mut self, id: &str) -> Result<Vec<Container>> {
        let answer: Containers = self.call(CONTAINERS, list(id)).await?;
        Ok(answer.containers)
    }

    async fn pods(&mut self, id: &str) -> Result<Vec<Pod>> {
        let answer: Pods = self.call(PODS, list(id)).await?;
        Ok(answer.items)
    }

    async fn call<Q, A>(&mut self, method: &'static str, question: Q) -> Result<A>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let ask = async {
            self.calls.ready().await.map_err(root)?;
            let path = Uri::from_static(method).into_parts().path_and_query.context("a method has a path")?;
            let codec = ProstCodec::<Q, A>::default();
            self.calls.unary(Request::new(question), path, codec).await.map_err(|status| refused(&status))
        };
        let answer = timeout(CALL, ask).await.map_err(|_| late()).flatten();
        Ok(answer.with_context(|| format!("{method} failed"))?.into_inner())
    }
}

fn list(id: &str) -> ListRequest {
    ListRequest { filter: (!id.is_empty()).then(|| Filter { id: id.to_owned() }) }
}

/// Containers with the names of their pods, and the pods themselves.
fn joined(containers: Vec<Container>, pods: Vec<Pod>) -> Vec<(String, Names)> {
    let pods: HashMap<String, Names> = pods.into_iter().filter_map(named).collect();
    let inside = containers.into_iter().filter_map(|container| {
        let names = pods.get(&container.pod_sandbox_id)?.clone();
        let name = container.metadata.map(|metadata| metadata.name).filter(|name| is_name(name));
        Some((container.id, Names { container: name, ..names }))
    });
    let inside: Vec<_> = inside.collect();
    inside.into_iter().chain(pods).collect()
}

fn named(pod: Pod) -> Option<(String, Names)> {
    let metadata = pod.metadata.filter(|names| is_name(&names.name) && is_name(&names.namespace))?;
    let workload = workload(&metadata.name, &pod.labels).filter(|name| is_name(name));
    let names = Names { container: None, pod: metadata.name, namespace: metadata.namespace, workload };
    Some((pod.id, names))
}

fn is_name(text: &str) -> bool {
    (1..=NAME).contains(&text.len())
}

fn late() -> anyhow::Error {
    anyhow!("no answer in {CALL:?}")
}

fn refused(status: &Status) -> anyhow::Error {
    anyhow!("{:?}: {}", status.code(), status.message())
}

/// What went wrong at the bottom: the errors above say only that something did.
#[allow(clippy::needless_pass_by_value, reason = "errors are mapped by value")]
fn root(error: tonic::transport::Error) -> anyhow::Error {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    anyhow!("{cause}")
}

#[cfg(test)]
mod tests {
    use super::{
        super::message::{ContainerMetadata, PodMetadata},
        *,
    };

    fn pod(id: &str, name: &str) -> Pod {
        let metadata = PodMetadata { name: name.to_owned(), namespace: "shop".into() };
        let labels = [("pod-template-hash".to_owned(), "7c9f8d6b5".to_owned())];
        Pod { id: id.to_owned(), metadata: Some(metadata), labels: labels.into() }
    }

    fn container(id: &str, pod: &str, name: &str) -> Container {
        let metadata = Some(ContainerMetadata { name: name.to_owned() });
        Container { id: id.to_owned(), pod_sandbox_id: pod.to_owned(), metadata }
    }

    fn names(container: Option<&str>) -> Names {
        Names {
            container: container.map(str::to_owned),
            pod: "api-7c9f8d6b5-x2x4z".into(),
            namespace: "shop".into(),
            workload: Some("api".into()),
        }
    }

    #[test]
    fn a_container_has_the_names_of_its_pod() {
        let containers = vec![container("c", "p", "web"), container("d", "p", "")];
        let found = joined(containers, vec![pod("p", "api-7c9f8d6b5-x2x4z")]);
        let expected = [("c", names(Some("web"))), ("d", names(None)), ("p", names(None))];
        assert_eq!(found, expected.map(|(id, names)| (id.to_owned(), names)));
    }

    #[test]
    fn what_has_no_pod_or_no_name_is_not_told() {
        let nameless = Pod { metadata: None, ..pod("q", "") };
        let pods = vec![pod("p", ""), pod("r", &"long".repeat(64)), nameless];
        assert_eq!(joined(vec![container("c", "p", "web"), container("d", "gone", "web")], pods), []);
    }
}
