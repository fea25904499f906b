// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {KeyRecords} from "./KeyRecords.sol";

/// @title What a root does with keys.
/// @notice It adds them ahead of time, suspends them and kills them at once. Additions wait, so that a
/// stolen root can be seen before its key counts; a killed key never comes back. A key is an account:
/// a key pair or a contract.
abstract contract KeyCare is KeyRecords {
    modifier onlyRoot() {
        require(msg.sender == _root(), NotRoot());
        _;
    }

    /// @notice Announce a key. It counts from `notBefore`, at least the addition delay from now.
    function addKey(address key, uint48 notBefore, uint48 notAfter) external onlyRoot {
        require(notBefore >= block.timestamp + _additionDelay(), KeyTooSoon());
        _addKey(key, notBefore, notAfter);
    }

    /// @notice Pause what a key signs, or end the pause. At once both ways: a key that was in force
    /// has waited already.
    function suspendKey(address key, bool suspended) external onlyRoot {
        _windows[key].suspended = suspended;
        emit KeySuspended(key, suspended);
    }

    /// @notice From this block on the key counts for nothing, for ever. An unknown key may be killed,
    /// so that it can never be added.
    function killKey(address key) external onlyRoot {
        Window storage window = _windows[key];
        if (window.killedAt == 0) window.killedAt = uint48(block.timestamp);
        window.notAfter = 0;
        emit KeyKilled(key);
    }

    function inForce(address key) public view returns (bool) {
        return _counts(_windows[key]);
    }

    function keyWindow(address key) external view returns (Window memory) {
        return _windows[key];
    }

    function _root() internal view virtual returns (address);
    function _additionDelay() internal view virtual returns (uint48);
}
