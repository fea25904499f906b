// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Which keys count, and when.
/// @notice A root adds keys ahead of time and kills them at once. Additions wait `additionDelay`, so
/// that a stolen root can be seen before its key counts; a killed key never comes back.
/// @dev `root` is meant to be a contract account whose own owners can change: it is fixed here.
abstract contract KeyWindows {
    /// @dev Both ends inclusive, Unix seconds. notAfter 0: no such key, or killed.
    struct Window {
        uint48 notBefore;
        uint48 notAfter;
        bool killed;
    }

    address public immutable root;
    uint48 public immutable additionDelay;
    mapping(address key => Window) public keyWindow;

    event KeyAdded(address indexed key, uint48 notBefore, uint48 notAfter);
    event KeyKilled(address indexed key);

    error NotRoot();
    error KeyTooSoon();
    error KeyUsed();
    error KeyInvalid();

    modifier onlyRoot() {
        require(msg.sender == root, NotRoot());
        _;
    }

    /// @param first Keys in force from the start: what a deployer chooses is seen before anyone pays.
    constructor(address root_, uint48 additionDelay_, address[] memory first) {
        require(root_ != address(0), NotRoot());
        root = root_;
        additionDelay = additionDelay_;
        for (uint256 i = 0; i < first.length; ++i) {
            _addKey(first[i], uint48(block.timestamp), type(uint48).max);
        }
    }

    /// @notice Announce a key. It counts from `notBefore`, at least `additionDelay` from now.
    function addKey(address key, uint48 notBefore, uint48 notAfter) external onlyRoot {
        require(notBefore >= block.timestamp + additionDelay, KeyTooSoon());
        _addKey(key, notBefore, notAfter);
    }

    /// @notice From this block on the key counts for nothing, for ever. An unknown key may be killed,
    /// so that it can never be added.
    function killKey(address key) external onlyRoot {
        keyWindow[key] = Window({notBefore: 0, notAfter: 0, killed: true});
        emit KeyKilled(key);
    }

    function inForce(address key) public view returns (bool) {
        Window memory window = keyWindow[key];
        return window.notBefore <= block.timestamp && block.timestamp <= window.notAfter;
    }

    function _addKey(address key, uint48 notBefore, uint48 notAfter) private {
        // The zero address is what a failed recovery yields: it must never be a key.
        require(key != address(0) && notBefore <= notAfter && notAfter != 0, KeyInvalid());
        Window storage window = keyWindow[key];
        require(window.notAfter == 0 && !window.killed, KeyUsed());
        keyWindow[key] = Window({notBefore: notBefore, notAfter: notAfter, killed: false});
        emit KeyAdded(key, notBefore, notAfter);
    }
}
