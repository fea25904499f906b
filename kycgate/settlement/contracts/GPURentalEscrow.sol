// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IEASRevocations} from "./IEASRevocations.sol";
import {KYCChecks} from "./KYCChecks.sol";
import {RentalRecords} from "./RentalRecords.sol";

/// @dev Where {RentalSteps} stands on every chain: its bytes, through the usual CREATE2 factory with salt
/// zero. `compile.mjs` holds it against the bytes.
address constant RENTAL_STEPS = 0x4C9f109783cDa7CEec5B6754e8e5c5abA2d54e00;

/// @title Prepaid GPU rentals, paid by the second or by milestones, for renters whom the gate cleared.
/// @notice A job opens once, with a permit; the provider earns until its end. Money leaves only to
/// balances that their owner withdraws, so nobody can block anybody. When the renter is revoked, or
/// the key that cleared the job is killed, the job is held: after `holdPeriod` the work up to that
/// moment is paid and the rest goes back to the renter, unless compliance marked it sanctioned, and
/// then only the licensor lets it go. While EAS can't be read nothing is paid either, for no longer
/// than `holdPeriod`.
/// @dev Money in = unsettled of all jobs + balances + frozen balances, per token; tokens that change
/// balances by themselves are not supported, and a deposit that arrives short is refused. No owner,
/// no upgrade: what it does seldom stands in {RentalSteps}, fixed code that it runs in its own name, as
/// Compound III does. New money stops when the root suspends the permit keys; money out is never paused.
contract GPURentalEscrow is KYCChecks, RentalRecords {
    using SafeERC20 for IERC20;

    /// @notice Adds, suspends and kills the keys that sign permits.
    address public immutable root;
    uint48 public immutable additionDelay;
    /// @notice Marks held jobs of sanctioned renters.
    address public immutable compliance;
    /// @notice Lets sanctioned money go, naming the licence. Another key than `compliance`.
    address public immutable licensor;
    /// @notice Seconds that a held job waits for compliance before anyone may release it.
    uint48 public immutable holdPeriod;

    struct Roles {
        address root;
        address compliance;
        address licensor;
        address revoker;
    }

    constructor(
        IEASRevocations eas_,
        Roles memory roles,
        uint48 holdPeriod_,
        uint48 additionDelay_,
        address[] memory signers
    ) KYCChecks(eas_, roles.revoker) {
        require(roles.root != address(0), NotRoot());
        root = roles.root;
        additionDelay = additionDelay_;
        _addFirst(signers);
        require(RENTAL_STEPS.code.length != 0, StepsMissing());
        require(roles.compliance != address(0), NotCompliance());
        require(roles.licensor != address(0) && roles.licensor != roles.compliance, NotLicensor());
        compliance = roles.compliance;
        licensor = roles.licensor;
        holdPeriod = holdPeriod_;
    }

    /// @notice Everything that {RentalSteps} does.
    fallback() external payable {
        address steps = RENTAL_STEPS;
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, 0, calldatasize())
            let done := delegatecall(gas(), steps, free, calldatasize(), 0, 0)
            returndatacopy(free, 0, returndatasize())
            if iszero(done) { revert(free, returndatasize()) }
            return(free, returndatasize())
        }
    }

    /// @dev Coin comes in with a job or not at all.
    receive() external payable {
        revert AmountInvalid();
    }

    /// @notice Open a job as its renter and pay `amount` in, to vest over `duration` seconds from now.
    function open(
        bytes32 job,
        Terms calldata terms,
        uint128 amount,
        uint48 duration,
        Permit calldata permit,
        bytes calldata signature
    ) external payable nonReentrant {
        uint16 key = _requirePermit(permit, signature, msg.sender, job, hashTerms(terms), amount);
        _take(terms.token, amount);
        Opening memory opening = Opening(job, amount, duration, false);
        _open(msg.sender, permit.epoch, key, terms.provider, terms.token, opening);
    }

    /// @notice Credit the provider with what has vested. Anyone may call. For a revoked renter the job
    /// is held instead and nothing is credited.
    function settle(bytes32 job) external nonReentrant {
        Rental storage rental = _openRental(job);
        if (!_held(rental, job)) _credit(rental, job, _due(rental, block.timestamp));
    }

    /// @notice Take all of the caller's balance in `token` to `to`.
    function withdraw(address token, address to) external nonReentrant {
        mapping(address => uint256) storage balances = _books().balanceOf[token];
        uint256 amount = balances[msg.sender];
        require(amount != 0, NothingToWithdraw());
        balances[msg.sender] = 0;
        emit Withdrawn(token, msg.sender, to, amount);
        if (token != address(0)) {
            IERC20(token).safeTransfer(to, amount);
            return;
        }
        (bool sent,) = to.call{value: amount}("");
        require(sent && to != address(0), TransferFailed());
    }

    // -- views -----------------------------------------------------------------------------------

    /// @notice What an account may withdraw, by token (zero: the chain's coin).
    function balanceOf(address token, address account) external view returns (uint256) {
        return _books().balanceOf[token][account];
    }

    /// @notice Whether EAS could be read, and when it says that `epoch` was revoked (0: not).
    function revocationOf(address renter, uint64 epoch) external view returns (bool, uint64) {
        return _readRevocation(renter, epoch);
    }

    /// @notice Reverts with the first ground on which this permit does not cover what is asked.
    /// @return The number of the key that signed.
    function requirePermit(
        Permit calldata permit,
        bytes calldata signature,
        address renter,
        bytes32 job,
        bytes32 terms,
        uint256 lifetimeValue
    ) external view returns (uint16) {
        return _requirePermit(permit, signature, renter, job, terms, lifetimeValue);
    }

    /// @notice EIP-712 digest under the domain of permits.
    function typedDigest(bytes32 structHash) external view returns (bytes32) {
        return _typedDigest(structHash);
    }

    // -- inside ----------------------------------------------------------------------------------

    function _take(address token, uint128 amount) internal {
        require(msg.value == (token == address(0) ? amount : 0), AmountInvalid());
        if (token != address(0)) _pull(token, amount);
    }

    /// @return Whether the renter is revoked or EAS can't be read, and so the job is now held.
    function _held(Rental storage rental, bytes32 job) internal returns (bool) {
        (bool known, uint64 since) = _readRevocation(rental.renter, rental.epoch);
        if (known && since == 0) return false;
        _hold(rental, job, known ? since : 0);
        return true;
    }
}
