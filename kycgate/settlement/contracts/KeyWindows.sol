// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {KeyCare} from "./KeyCare.sol";

/// @title Keys under a root, whole: for contracts that do everything themselves.
/// @dev `root` is meant to be a contract account whose own owners can change: it is fixed here.
abstract contract KeyWindows is KeyCare {
    address public immutable root;
    uint48 public immutable additionDelay;

    constructor(address root_, uint48 additionDelay_, address[] memory first) {
        require(root_ != address(0), NotRoot());
        root = root_;
        additionDelay = additionDelay_;
        _addFirst(first);
    }

    function _root() internal view override returns (address) {
        return root;
    }

    function _additionDelay() internal view override returns (uint48) {
        return additionDelay;
    }
}
