// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IKYCGate} from "./IKYCGate.sol";
import {KeyCare} from "./KeyCare.sol";
import {RentalRecords} from "./RentalRecords.sol";

/// @title The part of {GPURentalEscrow} that {RentalSteps} asks back.
interface IEscrowCore is IKYCGate {
    function requirePermit(
        Permit calldata permit,
        bytes calldata signature,
        address renter,
        bytes32 job,
        bytes32 terms,
        uint256 lifetimeValue
    ) external view returns (uint16);
    function typedDigest(bytes32 structHash) external view returns (bytes32);
    function hashTerms(Terms memory terms) external view returns (bytes32);
    function revocationOf(address renter, uint64 epoch) external view returns (bool, uint64);
    function root() external view returns (address);
    function additionDelay() external view returns (uint48);
    function compliance() external view returns (address);
    function licensor() external view returns (address);
    function holdPeriod() external view returns (uint48);
}

/// @title The steps of a rental that are taken seldom: the second half of {GPURentalEscrow}'s code.
/// @notice Stands once per chain, at an address made of its own bytes, for every escrow there. Each
/// escrow runs it in its own name (`delegatecall`) for what it doesn't do itself. It has no state, no
/// owner and no way to change; called directly it finds no escrow behind it and does nothing.
contract RentalSteps is KeyCare, RentalRecords {
    bytes32 private constant OPEN_FOR_TYPEHASH = keccak256("OpenFor(bytes32 job,address relayer)");

    // -- money in --------------------------------------------------------------------------------

    /// @notice Open a job of the permit's renter in any other way than `open`: with milestones, by a
    /// relayer, or with a token's signed permit or authorization.
    function openWith(
        Opening calldata opening,
        IKYCGate.Terms calldata terms,
        Payment calldata payment,
        IKYCGate.Permit calldata permit,
        bytes calldata signature
    ) external payable nonReentrant {
        address renter = permit.renter;
        bytes32 hashed = _core().hashTerms(terms);
        uint16 key = _core().requirePermit(
            permit, signature, renter, opening.job, hashed, opening.amount
        );
        _collect(renter, terms.token, hashed, opening.amount, opening, payment);
        _open(renter, permit.epoch, key, terms.provider, terms.token, opening);
    }

    /// @notice Pay more into a running job: by the second it buys time at the job's own price. `request`
    /// is the hash of the job request that the new permit was made for.
    function topUp(
        bytes32 job,
        bytes32 request,
        uint128 amount,
        Payment calldata payment,
        IKYCGate.Permit calldata permit,
        bytes calldata signature
    ) external payable nonReentrant {
        Rental storage rental = _openRental(job);
        require(amount != 0, AmountInvalid());
        require(block.timestamp < rental.end, RentalEnded());
        // A lower epoch was revoked; a higher one means that the gate cleared the renter anew.
        require(permit.epoch >= rental.epoch, IKYCGate.RevokedEpoch());
        (address renter, address token) = (rental.renter, rental.token);
        bytes32 terms = _core().hashTerms(IKYCGate.Terms(rental.provider, token, request));
        uint128 total = rental.total + amount;
        uint16 key = _core().requirePermit(permit, signature, renter, job, terms, total);
        _reclear(rental, job, permit.epoch, key);
        _collect(renter, token, terms, total, Opening(job, amount, 0, false), payment);
        _extend(rental, job, amount, total);
    }

    // -- money out -------------------------------------------------------------------------------

    /// @notice End the job now: the provider is credited what has vested, the renter the rest. The
    /// provider may always; the renter too, of a job with milestones only once its time is over. For
    /// a revoked renter the job is held instead.
    function refund(bytes32 job) external nonReentrant {
        Rental storage rental = _openRental(job);
        if (msg.sender != rental.provider) {
            require(msg.sender == rental.renter, NotParty());
            require(!rental.milestones || block.timestamp >= rental.end, JobState());
        }
        if (!_held(rental, job)) _close(rental, job, block.timestamp);
    }

    /// @notice Let the provider have `amount` of a job with milestones, as its renter. For a revoked
    /// renter the job is held instead.
    function payMilestone(bytes32 job, uint128 amount) external nonReentrant {
        Rental storage rental = _openRental(job);
        require(rental.milestones, JobState());
        require(msg.sender == rental.renter, NotRenter());
        require(amount != 0 && amount <= rental.total - rental.settled, AmountInvalid());
        if (!_held(rental, job)) _credit(rental, job, amount);
    }

    /// @notice Hold those of `jobs` whose renter is revoked or whose permit key is killed; others are
    /// passed over. Anyone may call: a root that kills a key does so in the same transaction.
    function hold(bytes32[] calldata jobs) external nonReentrant {
        for (uint256 i = 0; i < jobs.length; ++i) {
            Rental storage rental = _books().rentals[jobs[i]];
            if (rental.state != State.Open || _held(rental, jobs[i])) continue;
            uint48 killedAt = _windows[_keys[rental.key]].killedAt;
            if (killedAt != 0) _hold(rental, jobs[i], killedAt);
        }
    }

    /// @notice After the hold: pay the work up to the cutoff, give the rest back. Anyone may call. A
    /// job held only because EAS could not be read runs on at once when EAS says that nothing is
    /// revoked; while it stays silent, the cutoff is when the job was held.
    function release(bytes32 job) external nonReentrant {
        Rental storage rental = _books().rentals[job];
        require(rental.state == State.Held, JobState());
        uint256 cutoff = rental.cutoff;
        if (cutoff == 0) {
            (bool known, uint64 since) = _core().revocationOf(rental.renter, rental.epoch);
            if (known && since == 0) return _resume(rental, job);
            cutoff = known ? since : rental.heldAt;
        }
        require(block.timestamp > uint256(rental.heldAt) + _core().holdPeriod(), HoldRunning());
        _close(rental, job, cutoff);
    }

    /// @notice Compliance: this renter is sanctioned, so nothing leaves without a licence. Only for a
    /// job that is held, or whose renter's revocation is published.
    function markSanctioned(bytes32 job) external nonReentrant {
        _requireCompliance();
        Rental storage rental = _books().rentals[job];
        require(rental.state == State.Open || rental.state == State.Held, JobState());
        if (rental.cutoff == 0) {
            (bool known, uint64 since) = _core().revocationOf(rental.renter, rental.epoch);
            // What is held because EAS is silent may be marked all the same: it may not slip out.
            rental.cutoff = known ? uint48(since) : rental.heldAt;
            require(rental.cutoff != 0, NotRevoked());
        }
        rental.state = State.Sanctioned;
        emit Sanctioned(job);
    }

    /// @notice Licensor: release a sanctioned job under a licence, split as after a hold.
    function releaseLicensed(bytes32 job, bytes32 licence) external nonReentrant {
        _requireLicence(licence);
        Rental storage rental = _books().rentals[job];
        require(rental.state == State.Sanctioned, JobState());
        emit Licensed(job, licence);
        _close(rental, job, rental.cutoff);
    }

    /// @notice Compliance: freeze what stood to the credit of a renter before they were revoked.
    function freeze(address token, address renter, uint64 epoch) external nonReentrant {
        _requireCompliance();
        require(_core().revokedAt(renter, epoch) != 0, NotRevoked());
        uint256 amount = _books().balanceOf[token][renter];
        _books().balanceOf[token][renter] = 0;
        _books().frozenOf[token][renter] += amount;
        emit Frozen(token, renter, amount);
    }

    /// @notice Licensor: give a frozen balance back to its owner under a licence.
    function thaw(address token, address account, bytes32 licence) external nonReentrant {
        _requireLicence(licence);
        uint256 amount = _books().frozenOf[token][account];
        _books().frozenOf[token][account] = 0;
        _books().balanceOf[token][account] += amount;
        emit Thawed(token, account, amount, licence);
    }

    // -- views -----------------------------------------------------------------------------------

    function rentalOf(bytes32 job) external view returns (Rental memory) {
        return _books().rentals[job];
    }

    /// @notice What waits for a licence, by token.
    function frozenOf(address token, address account) external view returns (uint256) {
        return _books().frozenOf[token][account];
    }

    /// @notice What the provider has earned of `job` by `moment`, settled or not, in base units.
    function vestedAt(bytes32 job, uint256 moment) external view returns (uint128) {
        return _vested(_books().rentals[job], moment);
    }

    /// @notice The domain that permits are signed under, as EIP-5267 tells it.
    function eip712Domain()
        external
        view
        returns (bytes1, string memory, string memory, uint256, address, bytes32, uint256[] memory)
    {
        return (0x0f, "kycgate", "1", block.chainid, address(this), 0, new uint256[](0));
    }

    /// @notice The nonce of the EIP-3009 authorization with which a renter pays: it names the job, its
    /// terms, `total` (all of the job's deposits, this one included), and how the job runs.
    /// @param opening For a top-up: its job and amount, duration 0, no milestones.
    function paymentNonce(bytes32 terms, uint128 total, Opening memory opening)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(terms, total, opening));
    }

    // -- inside ----------------------------------------------------------------------------------

    function _root() internal view override returns (address) {
        return _core().root();
    }

    function _additionDelay() internal view override returns (uint48) {
        return _core().additionDelay();
    }

    /// @dev The escrow in whose name this runs.
    function _core() private view returns (IEscrowCore) {
        return IEscrowCore(address(this));
    }

    /// @return Whether the renter is revoked or EAS can't be read, and so the job is now held.
    function _held(Rental storage rental, bytes32 job) private returns (bool) {
        (bool known, uint64 since) = _core().revocationOf(rental.renter, rental.epoch);
        if (known && since == 0) return false;
        _hold(rental, job, known ? since : 0);
        return true;
    }

    function _reclear(Rental storage rental, bytes32 job, uint64 epoch, uint16 key) private {
        if (rental.epoch == epoch && rental.key == key) return;
        rental.epoch = epoch;
        rental.key = key;
        emit Recleared(job, epoch, key);
    }

    function _resume(Rental storage rental, bytes32 job) private {
        rental.state = State.Open;
        rental.heldAt = 0;
        emit Resumed(job);
    }

    /// @dev Rounds the new end up: the price per second never rises, so what vested stays covered.
    function _extend(Rental storage rental, bytes32 job, uint128 amount, uint128 total) private {
        (uint256 start, uint256 previous, uint256 end) = (rental.start, rental.total, rental.end);
        if (!rental.milestones) {
            uint256 duration = ((end - start) * total + previous - 1) / previous;
            require(duration <= DURATION_MOST, DurationInvalid());
            end = start + duration;
            rental.end = uint48(end);
        }
        rental.total = total;
        emit ToppedUp(job, amount, uint48(end));
    }

    /// @dev Take exactly `opening.amount`, from the caller or from the renter who authorized it.
    function _collect(
        address renter,
        address token,
        bytes32 terms,
        uint128 total,
        Opening memory opening,
        Payment calldata payment
    ) private {
        (Means means, uint128 amount) = (payment.means, opening.amount);
        if (means == Means.Relayed) {
            _requireConsent(renter, opening.job, payment.signature);
        } else if (means != Means.Authorization) {
            require(msg.sender == renter, NotRenter());
        }
        require(msg.value == (token == address(0) ? amount : 0), AmountInvalid());
        if (token == address(0)) {
            require(means <= Means.Relayed, AmountInvalid());
        } else if (means == Means.Authorization) {
            _authorized(token, amount, renter, paymentNonce(terms, total, opening), payment);
        } else {
            if (means == Means.Allowance) _allow(token, amount, payment);
            _pull(token, amount);
        }
    }

    /// @dev Failing is no matter: somebody else may have sent the same permit first, and without the
    /// allowance the transfer fails.
    function _allow(address token, uint128 amount, Payment calldata payment) private {
        (uint8 v, bytes32 r, bytes32 s) = ECDSA.parseCalldata(payment.signature);
        try IERC20Permit(token).permit(
            msg.sender, address(this), amount, payment.validBefore, v, r, s
        ) {} catch {}
    }

    /// @dev Only the payee may use a "receive" authorization, so nobody can take it out of the queue
    /// of transactions and spend it without the job that it names.
    function _authorized(
        address token,
        uint128 amount,
        address renter,
        bytes32 nonce,
        Payment calldata payment
    ) private {
        uint256 before = IERC20(token).balanceOf(address(this));
        (uint8 v, bytes32 r, bytes32 s) = ECDSA.parseCalldata(payment.signature);
        IERC3009(token).receiveWithAuthorization(
            renter, address(this), amount, payment.validAfter, payment.validBefore, nonce, v, r, s
        );
        require(IERC20(token).balanceOf(address(this)) == before + amount, DepositShort());
    }

    /// @dev The renter lets the caller open their job, or pay into it. ECDSA first: an EIP-7702 account
    /// may carry code that knows no ERC-1271.
    function _requireConsent(address renter, bytes32 job, bytes calldata signature) private view {
        bytes32 digest =
            _core().typedDigest(keccak256(abi.encode(OPEN_FOR_TYPEHASH, job, msg.sender)));
        (address signer, ECDSA.RecoverError err,) = ECDSA.tryRecoverCalldata(digest, signature);
        require(
            (err == ECDSA.RecoverError.NoError && signer == renter)
                || SignatureChecker.isValidERC1271SignatureNowCalldata(renter, digest, signature),
            RelaySignature()
        );
    }

    function _requireCompliance() private view {
        require(msg.sender == _core().compliance(), NotCompliance());
    }

    function _requireLicence(bytes32 licence) private view {
        require(msg.sender == _core().licensor(), NotLicensor());
        require(licence != 0, LicenceMissing());
    }
}
