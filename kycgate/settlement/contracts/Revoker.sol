// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IEASRevocations} from "./IEASRevocations.sol";
import {KeyWindows} from "./KeyWindows.sol";

/// @title The one account whose revocations an escrow reads: fixed address, changing keys.
/// @notice Publishes revocations on EAS, which knows no way back: a stolen key can stop rentals, never
/// restart one.
contract Revoker is KeyWindows {
    IEASRevocations public immutable eas;

    error NotPublisher();

    constructor(IEASRevocations eas_, address root_, uint48 additionDelay_, address[] memory publishers)
        KeyWindows(root_, additionDelay_, publishers)
    {
        eas = eas_;
    }

    /// @notice Revoke each of `keys`, keccak256(abi.encode(renter, epoch)). Keys revoked before, or
    /// twice in the list, are passed over: EAS would revert the whole batch for one of them.
    /// @return published How many were new.
    function publish(bytes32[] calldata keys) external returns (uint256 published) {
        require(inForce(msg.sender), NotPublisher());
        for (uint256 i = 0; i < keys.length; ++i) {
            if (eas.getRevokeOffchain(address(this), keys[i]) == 0) {
                eas.revokeOffchain(keys[i]);
                ++published;
            }
        }
    }
}
