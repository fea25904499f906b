// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title The part of the deployed EAS contract that kycgate uses: off-chain revocation.
/// @notice Function signatures as in EAS 1.x; everything else of EAS is left out.
interface IEASRevocations {
    function revokeOffchain(bytes32 data) external returns (uint64);

    /// @return Unix seconds at which `revoker` revoked `data`; 0: never.
    function getRevokeOffchain(address revoker, bytes32 data) external view returns (uint64);
}
