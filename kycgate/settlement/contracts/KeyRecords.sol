// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Which keys count, and when: the records, and whether one counts now.
/// @dev The only contract here with storage at the usual slots, so that {GPURentalEscrow} and
/// {RentalSteps} find the same records. What it is fixed to stands in code, not in storage.
abstract contract KeyRecords {
    /// @dev One slot. Both ends inclusive, Unix seconds. notAfter 0: no such key, or killed. `number`
    /// counts keys from 1, so that a record can name its key in two bytes.
    struct Window {
        uint48 notBefore;
        uint48 notAfter;
        uint48 killedAt;
        uint16 number;
        bool suspended;
    }

    mapping(address key => Window) internal _windows;
    mapping(uint256 number => address key) internal _keys;
    uint16 internal _keyCount;

    event KeyAdded(address indexed key, uint48 notBefore, uint48 notAfter);
    event KeySuspended(address indexed key, bool suspended);
    event KeyKilled(address indexed key);

    error NotRoot();
    error KeyTooSoon();
    error KeyUsed();
    error KeyInvalid();

    function _counts(Window storage window) internal view returns (bool) {
        return window.notBefore <= block.timestamp && block.timestamp <= window.notAfter
            && !window.suspended;
    }

    /// @dev Keys in force from the start: what a deployer chooses is seen before anyone pays.
    function _addFirst(address[] memory first) internal {
        for (uint256 i = 0; i < first.length; ++i) {
            _addKey(first[i], uint48(block.timestamp), type(uint48).max);
        }
    }

    function _addKey(address key, uint48 notBefore, uint48 notAfter) internal {
        // The zero address is what a failed recovery yields: it must never be a key.
        require(key != address(0) && notBefore <= notAfter && notAfter != 0, KeyInvalid());
        Window storage window = _windows[key];
        require(window.number == 0 && window.killedAt == 0, KeyUsed());
        uint16 number = ++_keyCount;
        _keys[number] = key;
        window.notBefore = notBefore;
        window.notAfter = notAfter;
        window.number = number;
        emit KeyAdded(key, notBefore, notAfter);
    }
}
