// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title One question to a chain without leaving a trace: did this contract account sign this hash?
/// @notice Never deployed. Its creation code, run by `eth_call`, returns one byte: 1 yes, 0 no. Plain
/// keys are not its business: the caller recovers those itself, strictly, before asking, and takes an
/// ERC-6492 wrapper apart itself, so that nothing here can fail on its shape.
/// @dev ERC-1271 for accounts with code (EIP-7702 delegations included). For an account whose code
/// does not stand yet, ERC-6492: the factory call runs first, and its effects end with the `eth_call`.
contract ValidateSig6492 {
    bytes32 private constant ERC1271_YES = bytes32(bytes4(0x1626ba7e));

    /// @param factory Zero when the signature was not wrapped.
    constructor(
        address account,
        bytes32 hash,
        address factory,
        bytes memory prepare,
        bytes memory signature
    ) {
        bool good = _accepts(account, hash, signature);
        if (!good && factory != address(0)) {
            // Its success proves nothing: only the account's own answer counts. What it returns is
            // not copied, so that it can't fill our memory.
            assembly {
                pop(call(gas(), factory, 0, add(prepare, 32), mload(prepare), 0, 0))
            }
            good = _accepts(account, hash, signature);
        }
        assembly {
            mstore8(0, good)
            return(0, 1)
        }
    }

    function _accepts(address account, bytes32 hash, bytes memory signature) private view returns (bool good) {
        // Precompiles answer calls without having code: 0x04 would echo any magic value.
        if (account.code.length == 0) return false;
        bytes memory question = abi.encodeWithSelector(0x1626ba7e, hash, signature);
        bytes32 answer;
        assembly {
            good := staticcall(gas(), account, add(question, 32), mload(question), 0, 32)
            good := and(good, gt(returndatasize(), 31))
            answer := mload(0)
        }
        return good && answer == ERC1271_YES;
    }
}
