// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title An EAS of another make: it says of itself what it is told to say.
contract OtherDelegate {
    bytes32 public immutable getAttestTypeHash;
    bytes32 public immutable getDomainSeparator;
    string public getName = "EAS";
    string public version = "1.4.0";

    constructor(bytes32 typehash, bytes32 separator) {
        getAttestTypeHash = typehash;
        getDomainSeparator = separator;
    }
}
