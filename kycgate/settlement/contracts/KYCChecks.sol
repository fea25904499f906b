// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IEASRevocations} from "./IEASRevocations.sol";
import {IKYCGate} from "./IKYCGate.sol";
import {KeyRecords} from "./KeyRecords.sol";

/// @title The checks themselves: a permit when money comes in, revocation when money goes out.
/// @notice Holds no funds, keeps no record of permits, and has no function that changes anything.
abstract contract KYCChecks is IKYCGate, KeyRecords {
    bytes32 private constant PERMIT_TYPEHASH = keccak256(
        "Permit(bytes32 attestation,uint64 epoch,address renter,address escrow,bytes32 job,"
        "bytes32 terms,bytes32 policy,uint256 maxValue,uint64 deadline)"
    );
    bytes32 private constant TERMS_TYPEHASH =
        keccak256("Terms(address provider,address token,bytes32 request)");
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant NAME_HASH = keccak256("kycgate");
    bytes32 private constant VERSION_HASH = keccak256("1");

    /// @notice A deadline further ahead than this is no permit's: it bounds what a stolen key can
    /// prepare before it is killed.
    uint256 public constant DEADLINE_MOST = 600;

    IEASRevocations public immutable eas;
    /// @notice Whose revocations on `eas` count: a contract account, so that its keys can rotate.
    address public immutable revoker;

    error EASMissing();

    constructor(IEASRevocations eas_, address revoker_) {
        require(address(eas_).code.length != 0 && revoker_ != address(0), EASMissing());
        eas = eas_;
        revoker = revoker_;
    }

    /// @inheritdoc IKYCGate
    function isCleared(Permit calldata permit, bytes calldata signature) external view returns (bool) {
        if (
            permit.escrow != address(this) || block.timestamp > permit.deadline
                || permit.deadline > block.timestamp + DEADLINE_MOST
                || _signingKey(permit, signature) == 0
        ) return false;
        (bool known, uint64 since) = _readRevocation(permit.renter, permit.epoch);
        return known && since == 0;
    }

    /// @inheritdoc IKYCGate
    function revokedAt(address renter, uint64 epoch) public view returns (uint64) {
        (bool known, uint64 since) = _readRevocation(renter, epoch);
        require(known, RevocationUnreadable());
        return since;
    }

    /// @notice hashStruct of the terms, as it stands in a permit.
    function hashTerms(Terms memory terms) public pure returns (bytes32) {
        return keccak256(abi.encode(TERMS_TYPEHASH, terms));
    }

    /// @dev Reverts with the first ground that fails. Revocation is not read here: a permit is at most
    /// {DEADLINE_MOST} seconds old and none is signed for a revoked renter; paying out reads it.
    /// @param lifetimeValue All deposits of this job, the present one included, in base units.
    /// @return key The number of the key that signed.
    function _requirePermit(
        Permit calldata permit,
        bytes calldata signature,
        address renter,
        bytes32 job,
        bytes32 terms,
        uint256 lifetimeValue
    ) internal view returns (uint16 key) {
        require(permit.escrow == address(this), PermitEscrow());
        require(permit.renter == renter, PermitRenter());
        require(permit.job == job, PermitJob());
        require(permit.terms == terms, PermitTerms());
        require(lifetimeValue <= permit.maxValue, PermitValue());
        require(block.timestamp <= permit.deadline, PermitExpired());
        require(permit.deadline <= block.timestamp + DEADLINE_MOST, PermitDeadline());
        key = _signingKey(permit, signature);
        require(key != 0, PermitSigner());
    }

    /// @dev Never reverts and copies one word only, whatever stands at `eas`. An answer that no EAS can
    /// give (short, or a time to come) is no answer. Too little gas can't fake one: what is left
    /// then, a sixty-fourth, does not pay for writing anything down.
    /// @return known Whether EAS answered. @return since When it says the epoch was revoked; 0: not.
    function _readRevocation(address renter, uint64 epoch) internal view returns (bool known, uint64 since) {
        bytes memory question =
            abi.encodeCall(eas.getRevokeOffchain, (revoker, keccak256(abi.encode(renter, epoch))));
        address target = address(eas);
        uint256 answer;
        assembly ("memory-safe") {
            known := staticcall(gas(), target, add(question, 32), mload(question), 0, 32)
            known := and(known, gt(returndatasize(), 31))
            answer := mload(0)
        }
        known = known && answer <= block.timestamp;
        since = uint64(answer);
    }

    /// @dev Built anew each time: on a fork of the chain it is another one.
    function _typedDigest(bytes32 structHash) internal view returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this))
        );
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    /// @dev 65 bytes r‖s‖v or the 64 of EIP-2098, low s only: a key pair's. Longer: the address of a
    /// contract key, then what it takes for its signature (ERC-1271); it is asked only while in
    /// force. Signature bytes are never kept: they identify nothing.
    /// @return The number of the key in force that signed; 0: none.
    function _signingKey(Permit calldata permit, bytes calldata signature) private view returns (uint16) {
        bytes32 digest = _typedDigest(_hashPermit(permit));
        bool named = signature.length > 65;
        address account;
        if (named) {
            account = address(bytes20(signature));
        } else {
            (uint8 v, bytes32 r, bytes32 s) = ECDSA.parseCalldata(signature);
            // A failed recovery yields the zero address, which is never in force.
            (account,,) = ECDSA.tryRecover(digest, v, r, s);
        }
        Window storage window = _windows[account];
        if (!_counts(window)) return 0;
        if (
            named
                && !SignatureChecker.isValidERC1271SignatureNowCalldata(
                    account, digest, signature[20:]
                )
        ) return 0;
        return window.number;
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
