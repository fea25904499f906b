// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IEASRevocations} from "./IEASRevocations.sol";
import {KeyWindows} from "./KeyWindows.sol";
import {KYCGated} from "./KYCGated.sol";

/// @title Prepaid GPU rentals that vest by the second, for renters whom the gate cleared.
/// @notice A job opens once, with a permit; the provider earns by the second until its end. Money
/// leaves only to balances that their owner withdraws, so nobody can block anybody. When the renter is
/// revoked the job is held: after `holdPeriod` the work up to the revocation is paid and the rest goes
/// back to the renter, unless compliance marked it sanctioned, and then only the licensor lets it go.
/// @dev Money in = unsettled of all jobs + balances, per token; tokens that change balances by
/// themselves are not supported, and a deposit that arrives short is refused. No owner, no upgrade.
contract GPURentalEscrow is KYCGated, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    enum State {
        None,
        Open,
        Closed,
        Held,
        Sanctioned
    }

    /// @dev Never deleted: a record that is not None is the replay guard of its job. Amounts in base
    /// units, times in Unix seconds; `total` vests evenly from `start` to `end`.
    struct Rental {
        address renter;
        uint64 epoch;
        State state;
        address provider;
        uint48 start;
        uint48 end;
        address token;
        uint48 heldAt;
        uint128 total;
        uint128 settled;
    }

    bytes32 private constant OPEN_FOR_TYPEHASH = keccak256("OpenFor(bytes32 job,address relayer)");
    uint48 public constant DURATION_MOST = 366 days;

    /// @notice Marks held jobs of sanctioned renters.
    address public immutable compliance;
    /// @notice Lets a sanctioned job go, naming the licence. Another key than `compliance`.
    address public immutable licensor;
    /// @notice Seconds that a held job waits for compliance before anyone may release it.
    uint48 public immutable holdPeriod;

    mapping(bytes32 job => Rental) internal _rentals;
    /// @notice What an account may withdraw, by token (zero: the chain's coin).
    mapping(address token => mapping(address account => uint256)) public balanceOf;

    event Opened(
        bytes32 indexed job,
        address indexed renter,
        address indexed provider,
        address token,
        uint128 amount,
        uint48 end
    );
    event ToppedUp(bytes32 indexed job, uint128 amount, uint48 end);
    event Settled(bytes32 indexed job, uint128 amount);
    event Closed(bytes32 indexed job, uint128 toProvider, uint128 toRenter);
    event Held(bytes32 indexed job, uint64 revokedAt);
    event Sanctioned(bytes32 indexed job);
    event Licensed(bytes32 indexed job, bytes32 licence);
    event Withdrawn(address indexed token, address indexed account, address to, uint256 amount);

    error JobUsed();
    error JobState();
    error RentalEnded();
    error NotRenter();
    error NotParty();
    error NotCompliance();
    error NotLicensor();
    error RelaySignature();
    error DurationInvalid();
    error AmountInvalid();
    error DepositShort();
    error NotRevoked();
    error HoldRunning();
    error NothingToWithdraw();
    error TransferFailed();

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
    ) KYCGated(eas_, roles.revoker) KeyWindows(roles.root, additionDelay_, signers) {
        require(roles.compliance != address(0), NotCompliance());
        require(roles.licensor != address(0) && roles.licensor != roles.compliance, NotLicensor());
        compliance = roles.compliance;
        licensor = roles.licensor;
        holdPeriod = holdPeriod_;
    }

    // -- money in: a permit each time ------------------------------------------------------------

    /// @notice Open a job as its renter and pay `amount` in, to vest over `duration` seconds from now.
    function open(
        bytes32 job,
        Terms calldata terms,
        uint128 amount,
        uint48 duration,
        Permit calldata permit,
        bytes calldata signature
    ) external payable nonReentrant {
        _requirePermit(permit, signature, msg.sender, job, hashTerms(terms), amount);
        _open(job, msg.sender, permit.epoch, terms, amount, duration);
    }

    /// @notice Open a job for `renter`, who signed `OpenFor(job, relayer = caller)`. The caller pays;
    /// what is left over goes to the renter.
    function openFor(
        address renter,
        bytes calldata renterSignature,
        bytes32 job,
        Terms calldata terms,
        uint128 amount,
        uint48 duration,
        Permit calldata permit,
        bytes calldata signature
    ) external payable nonReentrant {
        _requirePermit(permit, signature, renter, job, hashTerms(terms), amount);
        _requireRenter(renter, job, renterSignature);
        _open(job, renter, permit.epoch, terms, amount, duration);
    }

    /// @notice Pay more into a running job: it buys time at the job's own price per second. `request`
    /// is the hash of the job request that the new permit was made for.
    function topUp(
        bytes32 job,
        bytes32 request,
        uint128 amount,
        Permit calldata permit,
        bytes calldata signature
    ) external payable nonReentrant {
        Rental storage rental = _rentals[job];
        require(rental.state == State.Open, JobState());
        require(rental.renter == msg.sender, NotRenter());
        require(block.timestamp < rental.end, RentalEnded());
        // A lower epoch was revoked; a higher one means that the gate cleared the renter anew.
        require(permit.epoch >= rental.epoch, RevokedEpoch());
        uint128 total = rental.total + amount;
        bytes32 terms = hashTerms(Terms(rental.provider, rental.token, request));
        _requirePermit(permit, signature, msg.sender, job, terms, total);
        rental.epoch = permit.epoch;
        _extend(job, rental, amount, total);
    }

    // -- money out: revocation each time ---------------------------------------------------------

    /// @notice Credit the provider with what has vested. Anyone may call. For a revoked renter the job
    /// is held instead and nothing is credited.
    function settle(bytes32 job) external nonReentrant {
        Rental storage rental = _rentals[job];
        require(rental.state == State.Open, JobState());
        if (_held(job, rental)) return;
        _settle(job, rental);
    }

    /// @notice End the job now, as its renter or provider: the provider is credited what has vested,
    /// the renter the rest. For a revoked renter the job is held instead.
    function refund(bytes32 job) external nonReentrant {
        Rental storage rental = _rentals[job];
        require(rental.state == State.Open, JobState());
        require(msg.sender == rental.renter || msg.sender == rental.provider, NotParty());
        if (_held(job, rental)) return;
        _close(job, rental, block.timestamp);
    }

    /// @notice After the hold: pay the work up to the revocation, give the rest back. Anyone may call.
    function release(bytes32 job) external nonReentrant {
        Rental storage rental = _rentals[job];
        require(rental.state == State.Held, JobState());
        require(block.timestamp > uint256(rental.heldAt) + holdPeriod, HoldRunning());
        _close(job, rental, revokedAt(rental.renter, rental.epoch));
    }

    /// @notice Compliance: this renter is sanctioned, so nothing leaves without a licence. Only for a
    /// renter whose revocation is published.
    function markSanctioned(bytes32 job) external {
        require(msg.sender == compliance, NotCompliance());
        Rental storage rental = _rentals[job];
        require(rental.state == State.Open || rental.state == State.Held, JobState());
        require(revokedAt(rental.renter, rental.epoch) != 0, NotRevoked());
        rental.state = State.Sanctioned;
        emit Sanctioned(job);
    }

    /// @notice Licensor: release a sanctioned job under a licence, split as after a hold.
    function releaseLicensed(bytes32 job, bytes32 licence) external nonReentrant {
        require(msg.sender == licensor, NotLicensor());
        Rental storage rental = _rentals[job];
        require(rental.state == State.Sanctioned && licence != 0, JobState());
        emit Licensed(job, licence);
        _close(job, rental, revokedAt(rental.renter, rental.epoch));
    }

    /// @notice Take all of the caller's balance in `token` to `to`.
    function withdraw(address token, address to) external nonReentrant {
        uint256 amount = balanceOf[token][msg.sender];
        require(amount != 0, NothingToWithdraw());
        balanceOf[token][msg.sender] = 0;
        emit Withdrawn(token, msg.sender, to, amount);
        if (token != address(0)) {
            IERC20(token).safeTransfer(to, amount);
            return;
        }
        (bool sent,) = to.call{value: amount}("");
        require(sent, TransferFailed());
    }

    // -- views -----------------------------------------------------------------------------------

    function rentalOf(bytes32 job) external view returns (Rental memory) {
        return _rentals[job];
    }

    /// @notice What the provider has earned of `job` by `moment`, settled or not, in base units.
    function vestedAt(bytes32 job, uint256 moment) external view returns (uint128) {
        return _vested(_rentals[job], moment);
    }

    // -- inside ----------------------------------------------------------------------------------

    function _open(
        bytes32 job,
        address renter,
        uint64 epoch,
        Terms calldata terms,
        uint128 amount,
        uint48 duration
    ) internal {
        require(_rentals[job].state == State.None, JobUsed());
        require(duration != 0 && duration <= DURATION_MOST, DurationInvalid());
        _take(terms.token, amount);
        uint48 end = uint48(block.timestamp) + duration;
        _rentals[job] = Rental({
            renter: renter,
            epoch: epoch,
            state: State.Open,
            provider: terms.provider,
            start: uint48(block.timestamp),
            end: end,
            token: terms.token,
            heldAt: 0,
            total: amount,
            settled: 0
        });
        emit Opened(job, renter, terms.provider, terms.token, amount, end);
    }

    /// @dev Rounds the new end up: the price per second never rises, so what vested stays covered.
    function _extend(bytes32 job, Rental storage rental, uint128 amount, uint128 total) private {
        (uint256 start, uint256 previous) = (rental.start, rental.total);
        uint256 duration = ((rental.end - start) * total + previous - 1) / previous;
        require(duration <= DURATION_MOST, DurationInvalid());
        uint48 end = uint48(start + duration);
        rental.end = end;
        rental.total = total;
        _take(rental.token, amount);
        emit ToppedUp(job, amount, end);
    }

    function _take(address token, uint128 amount) private {
        require(amount != 0, AmountInvalid());
        if (token == address(0)) {
            require(msg.value == amount, AmountInvalid());
            return;
        }
        require(msg.value == 0, AmountInvalid());
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        require(IERC20(token).balanceOf(address(this)) == before + amount, DepositShort());
    }

    /// @return Whether the renter is revoked, and so the job is now held.
    function _held(bytes32 job, Rental storage rental) internal returns (bool) {
        uint64 revoked = revokedAt(rental.renter, rental.epoch);
        if (revoked == 0) return false;
        rental.state = State.Held;
        rental.heldAt = uint48(block.timestamp);
        emit Held(job, revoked);
        return true;
    }

    function _settle(bytes32 job, Rental storage rental) internal {
        uint128 due = _due(rental, block.timestamp);
        rental.settled += due;
        if (rental.settled == rental.total) rental.state = State.Closed;
        balanceOf[rental.token][rental.provider] += due;
        emit Settled(job, due);
    }

    function _close(bytes32 job, Rental storage rental, uint256 moment) private {
        uint128 toProvider = _due(rental, moment);
        uint128 toRenter = rental.total - rental.settled - toProvider;
        rental.settled = rental.total;
        rental.state = State.Closed;
        balanceOf[rental.token][rental.provider] += toProvider;
        balanceOf[rental.token][rental.renter] += toRenter;
        emit Closed(job, toProvider, toRenter);
    }

    /// @dev Vested and not yet settled. Rounding after a top-up may leave it below what was settled.
    function _due(Rental storage rental, uint256 moment) private view returns (uint128) {
        (uint128 vested, uint128 settled) = (_vested(rental, moment), rental.settled);
        return vested > settled ? vested - settled : 0;
    }

    function _vested(Rental storage rental, uint256 moment) private view returns (uint128) {
        (uint256 start, uint256 end) = (rental.start, rental.end);
        if (moment <= start) return 0;
        if (moment >= end) return rental.total;
        return uint128(uint256(rental.total) * (moment - start) / (end - start));
    }

    /// @dev ECDSA first: an EIP-7702 account may carry code that knows no ERC-1271.
    function _requireRenter(address renter, bytes32 job, bytes calldata signature) private view {
        bytes32 digest =
            _hashTypedDataV4(keccak256(abi.encode(OPEN_FOR_TYPEHASH, job, msg.sender)));
        (address signer, ECDSA.RecoverError err,) = ECDSA.tryRecoverCalldata(digest, signature);
        require(
            (err == ECDSA.RecoverError.NoError && signer == renter)
                || SignatureChecker.isValidERC1271SignatureNowCalldata(renter, digest, signature),
            RelaySignature()
        );
    }
}
