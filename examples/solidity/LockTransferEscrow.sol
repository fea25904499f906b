// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IEASRevocations} from "kycgate/IEASRevocations.sol";
import {KYCGated} from "kycgate/KYCGated.sol";
import {KeyWindows} from "kycgate/KeyWindows.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Deposit, lock for a lease, transfer what was used, unlock the rest (as Spheron's escrow does).
/// @notice Locking wants a permit; paying out reads revocation. The marketplace says what was used.
contract LockTransferEscrow is KYCGated {
    using SafeERC20 for IERC20;

    struct Lock {
        address renter;
        uint64 epoch;
        address provider;
        address token;
        uint256 amount;
    }

    address public immutable marketplace;
    mapping(address token => mapping(address account => uint256)) public balanceOf;
    mapping(bytes32 job => Lock) public lockOf;

    event Deposited(address indexed token, address indexed account, uint256 amount);
    event Locked(bytes32 indexed job, uint256 amount);
    event Transferred(bytes32 indexed job, uint256 amount, uint256 unlocked);
    event Withdrawn(address indexed token, address indexed account, uint256 amount);

    error NotMarketplace();
    error JobUsed();
    error AmountInvalid();

    constructor(
        address marketplace_,
        IEASRevocations eas_,
        address revoker_,
        address root_,
        address[] memory signers
    ) KYCGated(eas_, revoker_) KeyWindows(root_, 2 days, signers) {
        marketplace = marketplace_;
    }

    function deposit(address token, uint256 amount) external {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        require(IERC20(token).balanceOf(address(this)) == before + amount, AmountInvalid());
        balanceOf[token][msg.sender] += amount;
        emit Deposited(token, msg.sender, amount);
    }

    /// @notice Lock tokens of the caller's balance for a job.
    function lockTokens(
        bytes32 job,
        Terms calldata terms,
        uint256 amount,
        Permit calldata permit,
        bytes calldata signature
    ) external onlyCleared(permit, signature, msg.sender, job, hashTerms(terms), amount) {
        require(lockOf[job].renter == address(0), JobUsed());
        require(amount != 0, AmountInvalid());
        balanceOf[terms.token][msg.sender] -= amount;
        lockOf[job] = Lock(msg.sender, permit.epoch, terms.provider, terms.token, amount);
        emit Locked(job, amount);
    }

    /// @notice Pay what was used, unlock the rest. While the renter is revoked nothing moves; a later
    /// decision of the operator needs a hold and a way out, as GPURentalEscrow has them.
    function transferLocked(bytes32 job, uint256 used) external {
        require(msg.sender == marketplace, NotMarketplace());
        Lock storage lock = lockOf[job];
        uint256 amount = lock.amount;
        require(amount != 0 && used <= amount, AmountInvalid());
        require(revokedAt(lock.renter, lock.epoch) == 0, RevokedEpoch());
        lock.amount = 0;
        balanceOf[lock.token][lock.provider] += used;
        balanceOf[lock.token][lock.renter] += amount - used;
        emit Transferred(job, used, amount - used);
    }

    function withdraw(address token, uint256 amount) external {
        balanceOf[token][msg.sender] -= amount;
        emit Withdrawn(token, msg.sender, amount);
        IERC20(token).safeTransfer(msg.sender, amount);
    }
}
