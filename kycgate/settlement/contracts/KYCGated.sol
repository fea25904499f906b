// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IEASRevocations} from "./IEASRevocations.sol";
import {KYCChecks} from "./KYCChecks.sol";
import {KeyWindows} from "./KeyWindows.sol";

/// @title What a marketplace's contract inherits to accept only renters whom the gate cleared.
/// @notice The checks, the keys that sign permits, and their root. Whoever inherits makes each job
/// single-use: no record of permits is kept here.
abstract contract KYCGated is KYCChecks, KeyWindows {
    constructor(IEASRevocations eas_, address revoker_) KYCChecks(eas_, revoker_) {}

    /// @dev For functions that know the renter, the job, its terms and all it has been paid.
    modifier onlyCleared(
        Permit calldata permit,
        bytes calldata signature,
        address renter,
        bytes32 job,
        bytes32 terms,
        uint256 lifetimeValue
    ) {
        _requirePermit(permit, signature, renter, job, terms, lifetimeValue);
        _;
    }

    /// @dev For functions that pay out or run on: nothing happens for a renter who was revoked.
    modifier onlyUnrevoked(address renter, uint64 epoch) {
        require(revokedAt(renter, epoch) == 0, RevokedEpoch());
        _;
    }
}
