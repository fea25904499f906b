// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title What a contract behind the gate accepts, and why it says no.
/// @notice Field order and names are the wire format: never reordered, version 1 of the domain.
interface IKYCGate {
    /// @dev EIP-712 `Permit`. `job` is keccak256(abi.encode(renter, n)); `terms` the hashStruct of
    /// {Terms}; `maxValue` caps the job's lifetime deposits; `deadline` is the last second to use it.
    struct Permit {
        bytes32 attestation;
        uint64 epoch;
        address renter;
        address escrow;
        bytes32 job;
        bytes32 terms;
        bytes32 policy;
        uint256 maxValue;
        uint64 deadline;
    }

    /// @dev EIP-712 `Terms`. `token` zero is the chain's coin; `request` the hash of the job request.
    struct Terms {
        address provider;
        address token;
        bytes32 request;
    }

    // Each is the twin of a reason code off chain: `permit_escrow`, `permit_renter`, …
    error PermitEscrow();
    error PermitRenter();
    error PermitJob();
    error PermitTerms();
    error PermitValue();
    error PermitExpired();
    error PermitDeadline();
    error PermitSigner();
    error RevokedEpoch();

    /// @notice Whether a permit would be accepted now: made for this contract, in time, signed by a
    /// key in force, and its renter not revoked. Says nothing of job, terms or value: the caller knows
    /// those.
    function isCleared(Permit calldata permit, bytes calldata signature) external view returns (bool);

    /// @notice When everything of `renter` up to `epoch` was revoked, Unix seconds; 0: not.
    function revokedAt(address renter, uint64 epoch) external view returns (uint64);
}
