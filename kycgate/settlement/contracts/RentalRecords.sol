// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IGPURentalEscrow} from "./IGPURentalEscrow.sol";

/// @title The escrow's books, and the sums of a rental.
/// @notice Asks nobody who they are: {GPURentalEscrow} and {RentalSteps} do, and share this.
/// @dev The books stand at a place of their own (ERC-7201), so that both find them whatever else each
/// inherits. The guard against re-entry is one for both: it lives in the escrow's transient storage.
abstract contract RentalRecords is IGPURentalEscrow, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    // keccak256(abi.encode(uint256(keccak256("kycgate.storage.GPURentalEscrow")) - 1)) & ~0xff
    bytes32 private constant BOOKS =
        0x2d0ad16fa53294738f8d4feb5361ff3962777d5401d98be589417939a2a9d500;
    uint48 internal constant DURATION_MOST = 366 days;

    function _books() internal pure returns (Books storage books) {
        assembly {
            books.slot := BOOKS
        }
    }

    function _openRental(bytes32 job) internal view returns (Rental storage rental) {
        rental = _books().rentals[job];
        require(rental.state == State.Open, JobState());
    }

    function _open(
        address renter,
        uint64 epoch,
        uint16 key,
        address provider,
        address token,
        Opening memory opening
    ) internal {
        Rental storage rental = _books().rentals[opening.job];
        require(rental.state == State.None, JobUsed());
        require(opening.amount != 0, AmountInvalid());
        uint48 duration = opening.duration;
        require(duration != 0 && duration <= DURATION_MOST, DurationInvalid());
        uint48 end = uint48(block.timestamp) + duration;
        rental.renter = renter;
        rental.epoch = epoch;
        rental.state = State.Open;
        rental.key = key;
        rental.milestones = opening.milestones;
        rental.provider = provider;
        rental.start = uint48(block.timestamp);
        rental.end = end;
        rental.token = token;
        rental.total = opening.amount;
        emit Opened(opening.job, renter, provider, token, opening.amount, end);
    }

    /// @dev Take exactly `amount` of a token, whose caller allowed it.
    function _pull(address token, uint128 amount) internal {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        require(IERC20(token).balanceOf(address(this)) == before + amount, DepositShort());
    }

    /// @param cutoff 0: not known yet.
    function _hold(Rental storage rental, bytes32 job, uint256 cutoff) internal {
        rental.state = State.Held;
        rental.heldAt = uint48(block.timestamp);
        rental.cutoff = uint48(cutoff);
        emit Held(job, uint64(cutoff));
    }

    function _credit(Rental storage rental, bytes32 job, uint128 amount) internal {
        rental.settled += amount;
        if (rental.settled == rental.total) rental.state = State.Closed;
        _books().balanceOf[rental.token][rental.provider] += amount;
        emit Settled(job, amount);
    }

    /// @dev End the job: the provider is credited the work up to `moment`, the renter the rest.
    function _close(Rental storage rental, bytes32 job, uint256 moment) internal {
        uint128 toProvider = _due(rental, moment);
        uint128 toRenter = rental.total - rental.settled - toProvider;
        rental.settled = rental.total;
        rental.state = State.Closed;
        mapping(address => uint256) storage balances = _books().balanceOf[rental.token];
        balances[rental.provider] += toProvider;
        balances[rental.renter] += toRenter;
        emit Closed(job, toProvider, toRenter);
    }

    /// @dev Vested and not yet settled. Rounding after a top-up may leave it below what was settled.
    function _due(Rental storage rental, uint256 moment) internal view returns (uint128) {
        uint128 settled = rental.settled;
        uint128 vested = _vested(rental, moment);
        return vested > settled ? vested - settled : 0;
    }

    /// @dev Of a job with milestones: what the renter let go.
    function _vested(Rental storage rental, uint256 moment) internal view returns (uint128) {
        if (rental.milestones) return rental.settled;
        (uint256 start, uint256 end, uint128 total) = (rental.start, rental.end, rental.total);
        if (moment <= start) return 0;
        if (moment >= end) return total;
        return uint128(uint256(total) * (moment - start) / (end - start));
    }
}
