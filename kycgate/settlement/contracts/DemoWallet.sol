// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The smallest contract account: one owner's signature is its signature (ERC-1271).
/// @notice For demonstrations and tests on a local chain, planted at an address nobody has the key of.
contract DemoWallet {
    address private owner; // slot 0

    constructor(address owner_) {
        owner = owner_;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        if (signature.length != 65) return 0xffffffff;
        address signer =
            ecrecover(hash, uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
        return signer == owner && signer != address(0) ? this.isValidSignature.selector : bytes4(0xffffffff);
    }
}
