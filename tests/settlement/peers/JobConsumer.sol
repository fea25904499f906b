// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AccessTokenConsumer} from "@violetprotocol/ethereum-access-token/contracts/AccessTokenConsumer.sol";

/// @title A marketplace that speaks only Ethereum Access Tokens and opens each job once.
contract JobConsumer is AccessTokenConsumer {
    mapping(bytes32 job => address renter) public renterOf;

    error JobUsed();

    constructor(address verifier) AccessTokenConsumer(verifier) {}

    /// @dev The verifier keeps no record of tokens: the job is the replay guard.
    function open(uint8 v, bytes32 r, bytes32 s, uint256 expiry, bytes32 job, uint256 most, string calldata note)
        external
        requiresAuth(v, r, s, expiry)
    {
        require(renterOf[job] == address(0), JobUsed());
        renterOf[job] = msg.sender;
        most;
        note;
    }
}
