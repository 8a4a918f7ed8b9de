//! The few messages and fields of Kubernetes' Container Runtime Interface that names are read from.
//!
//! Numbers are those of `runtime.v1`; everything else that a runtime tells is passed over unread.
//! <https://github.com/kubernetes/cri-api/blob/v0.34.0/pkg/apis/runtime/v1/api.proto>

use std::collections::HashMap;

/// Asks for containers, or for pods: `filter` is all that both requests have.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListRequest {
    #[prost(message, optional, tag = "1")]
    pub filter: Option<Filter>,
}

/// Which ones; of both filters the same field.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Filter {
    /// This one alone; empty = all. Shortened identities are taken as well.
    #[prost(string, tag = "1")]
    pub id: String,
}

/// `ListContainersResponse`
#[derive(Clone, PartialEq, prost::Message)]
pub struct Containers {
    #[prost(message, repeated, tag = "1")]
    pub containers: Vec<Container>,
}

/// A container.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Container {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub pod_sandbox_id: String,
    #[prost(message, optional, tag = "3")]
    pub metadata: Option<ContainerMetadata>,
}

/// What a container is called.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ContainerMetadata {
    #[prost(string, tag = "1")]
    pub name: String,
}

/// `ListPodSandboxResponse`
#[derive(Clone, PartialEq, prost::Message)]
pub struct Pods {
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<Pod>,
}

/// `PodSandbox`: a pod as the runtime knows it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Pod {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(message, optional, tag = "2")]
    pub metadata: Option<PodMetadata>,
    #[prost(map = "string, string", tag = "5")]
    pub labels: HashMap<String, String>,
}

/// What a pod is called.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PodMetadata {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "3")]
    pub namespace: String,
}

/// `VersionRequest`
#[derive(Clone, PartialEq, prost::Message)]
pub struct VersionRequest {}

/// `VersionResponse`
#[derive(Clone, PartialEq, prost::Message)]
pub struct Version {
    #[prost(string, tag = "2")]
    pub runtime_name: String,
    #[prost(string, tag = "3")]
    pub runtime_version: String,
}
