"""RunPod's wire: members that may be sent, fields that may be asked for.

Holds no behaviour. What is not here is refused in a change, and in a query needs the own key.
"""

from __future__ import annotations

from collections.abc import Mapping

Shape = Mapping[str, "Shape | None"]
"""Fields by name: None for a plain value, else what may be asked for inside."""


def _plain(names: str) -> dict[str, Shape | None]:
    return dict.fromkeys(names.split())


# Members of a mutation's input, as the client and RunPod's own console send them. One we don't know
# might name other machines or more of them: it is refused, not passed along.
POD_MEMBERS = frozenset(
    {
        "name", "imageName", "cloudType", "startSsh", "startJupyter", "gpuTypeId", "gpuTypeIdList",
        "supportPublicIp", "gpuCount", "volumeInGb", "minVcpuCount", "minMemoryInGb",
        "allowedCudaVersions", "cudaVersion", "instanceId", "dataCenterId", "dockerArgs",
        "countryCode", "containerDiskInGb", "port", "ports", "volumeMountPath", "volumeKey", "env",
        "templateId", "networkVolumeId", "minDownload", "minUpload", "minDisk", "stopAfter",
        "terminateAfter", "bidPerGpu", "containerRegistryAuthId",
    }
)  # fmt: skip
EDIT_MEMBERS = frozenset(
    {
        "podId", "dockerArgs", "imageName", "env", "port", "ports", "containerDiskInGb",
        "volumeInGb", "volumeMountPath", "containerRegistryAuthId",
    }
)  # fmt: skip
ENDPOINT_MEMBERS = frozenset(
    {
        "id", "name", "templateId", "gpuIds", "networkVolumeId", "locations", "idleTimeout",
        "scalerType", "scalerValue", "workersMin", "workersMax", "allowedCudaVersions", "gpuCount",
        "flashBootType", "type", "executionTimeoutMs",
    }
)  # fmt: skip
REST_POD_MEMBERS = frozenset(
    {
        "name", "image", "templateId", "cloud", "gpu", "cpu", "disk", "mounts", "ports", "env",
        "args", "cmd", "entrypoint", "dataCenterIds", "registry", "startSsh", "globalNetworking",
    }
)  # fmt: skip
REST_PATCH_MEMBERS = frozenset(
    {
        "name", "image", "disk", "mounts", "ports", "env", "args", "cmd", "entrypoint", "registry",
        "globalNetworking",
    }
)  # fmt: skip

# A pod's keys (`apiKey`, `volumeKey`, `registry`), its endpoint and its machine's other pods are
# left out: under a shared key they are not the caller's.
POD: Shape = {
    **_plain(
        "id name imageName env ports port podType desiredStatus lastStatusChange lastStartedAt"
        " createdAt uptimeSeconds costPerHr adjustedCostPerHr containerDiskInGb volumeInGb"
        " volumeMountPath volumeEncrypted dockerArgs dockerId gpuCount gpuPowerLimitPercent"
        " machineId machineType memoryInGb vcpuCount cpuFlavorId version locked templateId"
        " networkVolumeId"
    ),
    "gpus": _plain("id podId"),
    "runtime": {
        **_plain("uptimeInSeconds"),
        "container": _plain("cpuPercent memoryPercent"),
        "gpus": _plain("id gpuUtilPercent memoryUtilPercent"),
        "ports": _plain("ip isIpPublic privatePort publicPort type"),
    },
    "machine": _plain(
        "id podHostId gpuDisplayName gpuTypeId costPerHr currentPricePerGpu location dataCenterId"
        " diskMBps maxDownloadSpeedMbps maxUploadSpeedMbps supportPublicIp secureCloud cpuCount"
        " cpuTypeId machineType"
    ),
}
ENDPOINT: Shape = _plain(
    "id name templateId gpuIds networkVolumeId locations idleTimeout scalerType scalerValue"
    " workersMin workersMax workersStandby allowedCudaVersions gpuCount flashBootType type version"
    " createdAt executionTimeoutMs"
)
CATALOGUE: Shape = {
    "gpuTypes": {
        **_plain(
            "id displayName manufacturer memoryInGb cudaCores secureCloud communityCloud"
            " securePrice communityPrice oneMonthPrice threeMonthPrice sixMonthPrice oneWeekPrice"
            " communitySpotPrice secureSpotPrice maxGpuCount maxGpuCountCommunityCloud"
            " maxGpuCountSecureCloud minPodGpuCount"
        ),
        "lowestPrice": _plain(
            "gpuName gpuTypeId minimumBidPrice uninterruptablePrice minMemory minVcpu stockStatus"
            " rentalPercentage rentedCount totalCount minDownload minDisk minUpload countryCode"
            " supportPublicIp"
        ),
    },
    "cpuTypes": _plain("id displayName manufacturer cores threadsPerCore groupId"),
    "cpuFlavors": _plain(
        "id groupId groupName displayName minVcpu maxVcpu vcpuBurstable ramMultiplier"
        " diskLimitPerVcpu"
    ),
    "dataCenters": _plain("id name location listed storageSupport"),
}
"""What anybody may see: a data center's storage, which holds passwords, is not in it."""
