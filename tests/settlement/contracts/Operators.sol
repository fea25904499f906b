// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {GPURentalEscrow} from "kycgate/GPURentalEscrow.sol";
import {IEASRevocations} from "kycgate/IEASRevocations.sol";
import {KeyWindows} from "kycgate/KeyWindows.sol";
import {KYCGated} from "kycgate/KYCGated.sol";

/// @title The escrow with its checks left out: what the checks cost is the difference. For measuring.
contract UncheckedEscrow is GPURentalEscrow {
    constructor(
        IEASRevocations eas_,
        Roles memory roles,
        uint48 holdPeriod_,
        uint48 additionDelay_,
        address[] memory signers
    ) GPURentalEscrow(eas_, roles, holdPeriod_, additionDelay_, signers) {}

    function openUnchecked(bytes32 job, Terms calldata terms, uint128 amount, uint48 duration)
        external
        payable
        nonReentrant
    {
        _open(job, msg.sender, 0, terms, amount, duration);
    }

    function settleUnchecked(bytes32 job) external nonReentrant {
        Rental storage rental = _rentals[job];
        require(rental.state == State.Open, JobState());
        _settle(job, rental);
    }
}

/// @title What an operator writes: their own function, one modifier.
contract Marketplace is KYCGated {
    event Started(bytes32 job);

    constructor(IEASRevocations eas_, address revoker_, address root_, address[] memory signers)
        KYCGated(eas_, revoker_)
        KeyWindows(root_, 1 days, signers)
    {}

    function start(bytes32 job, bytes32 terms, Permit calldata permit, bytes calldata signature)
        external
        payable
        onlyCleared(permit, signature, msg.sender, job, terms, msg.value)
    {
        emit Started(job);
    }
}
