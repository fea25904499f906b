// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IEASRevocations} from "./IEASRevocations.sol";
import {IKYCGate} from "./IKYCGate.sol";
import {KeyWindows} from "./KeyWindows.sol";

/// @title What a marketplace's contract inherits to accept only renters whom the gate cleared.
/// @notice Checks permits when money comes in, reads revocation when money goes out. Holds no funds
/// and keeps no record of permits: whoever inherits makes each job single-use.
abstract contract KYCGated is IKYCGate, EIP712, KeyWindows {
    bytes32 private constant PERMIT_TYPEHASH = keccak256(
        "Permit(bytes32 attestation,uint64 epoch,address renter,address escrow,bytes32 job,"
        "bytes32 terms,bytes32 policy,uint256 maxValue,uint64 deadline)"
    );
    bytes32 private constant TERMS_TYPEHASH =
        keccak256("Terms(address provider,address token,bytes32 request)");

    /// @notice A deadline further ahead than this is no permit's: it bounds what a stolen key can
    /// prepare before it is killed.
    uint256 public constant DEADLINE_MOST = 600;

    IEASRevocations public immutable eas;
    /// @notice Whose revocations on `eas` count: a contract account, so that its keys can rotate.
    address public immutable revoker;

    error EASMissing();

    constructor(IEASRevocations eas_, address revoker_) EIP712("kycgate", "1") {
        require(address(eas_).code.length != 0 && revoker_ != address(0), EASMissing());
        eas = eas_;
        revoker = revoker_;
    }

    /// @dev For contracts that know only a renter and a job (streams, callbacks).
    modifier onlyCleared(
        Permit calldata permit,
        bytes calldata signature,
        address renter,
        bytes32 job,
        bytes32 terms,
        uint256 lifetimeValue
    ) {
        _requirePermit(permit, signature, renter, job, terms, lifetimeValue);
        _;
    }

    /// @inheritdoc IKYCGate
    function isCleared(Permit calldata permit, bytes calldata signature) external view returns (bool) {
        return permit.escrow == address(this) && block.timestamp <= permit.deadline
            && permit.deadline <= block.timestamp + DEADLINE_MOST && inForce(_signer(permit, signature))
            && revokedAt(permit.renter, permit.epoch) == 0;
    }

    /// @inheritdoc IKYCGate
    function revokedAt(address renter, uint64 epoch) public view returns (uint64) {
        return eas.getRevokeOffchain(revoker, keccak256(abi.encode(renter, epoch)));
    }

    /// @notice hashStruct of the terms, as it stands in a permit.
    function hashTerms(Terms memory terms) public pure returns (bytes32) {
        return keccak256(abi.encode(TERMS_TYPEHASH, terms));
    }

    /// @dev Reverts with the first ground that fails. Revocation is not read here: a permit is at most
    /// {DEADLINE_MOST} seconds old and none is signed for a revoked renter; paying out reads it.
    /// @param lifetimeValue All deposits of this job, the present one included, in base units.
    function _requirePermit(
        Permit calldata permit,
        bytes calldata signature,
        address renter,
        bytes32 job,
        bytes32 terms,
        uint256 lifetimeValue
    ) internal view {
        require(permit.escrow == address(this), PermitEscrow());
        require(permit.renter == renter, PermitRenter());
        require(permit.job == job, PermitJob());
        require(permit.terms == terms, PermitTerms());
        require(lifetimeValue <= permit.maxValue, PermitValue());
        require(block.timestamp <= permit.deadline, PermitExpired());
        require(permit.deadline <= block.timestamp + DEADLINE_MOST, PermitDeadline());
        require(inForce(_signer(permit, signature)), PermitSigner());
    }

    /// @dev 65 bytes r‖s‖v or the 64 of EIP-2098, low s only; anything else recovers to the zero
    /// address, which is never in force. Signature bytes are never kept: they identify nothing.
    function _signer(Permit calldata permit, bytes calldata signature) private view returns (address signer) {
        bytes32 digest = _hashTypedDataV4(_hashPermit(permit));
        (uint8 v, bytes32 r, bytes32 s) = ECDSA.parseCalldata(signature);
        (signer,,) = ECDSA.tryRecover(digest, v, r, s);
    }

    /// @dev keccak256(abi.encode(PERMIT_TYPEHASH, permit)) without its nine range checks: a word with
    /// stray high bits hashes to something that nobody signed.
    function _hashPermit(Permit calldata permit) private pure returns (bytes32 hash) {
        bytes32 typehash = PERMIT_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            calldatacopy(add(free, 0x20), permit, 0x120)
            hash := keccak256(free, 0x140)
        }
    }
}
