// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IEASRevocations} from "kycgate/IEASRevocations.sol";
import {KeyWindows} from "kycgate/KeyWindows.sol";
import {KYCGated} from "kycgate/KYCGated.sol";

/// @title The permit check alone, every argument handed in: what the vectors ask of a contract.
contract PermitVectors is KYCGated {
    constructor(IEASRevocations eas_, address revoker_, address root_)
        KYCGated(eas_, revoker_)
        KeyWindows(root_, 0, new address[](0))
    {}

    function check(
        Permit calldata permit,
        bytes calldata signature,
        address renter,
        bytes32 job,
        Terms calldata terms,
        uint256 value
    ) external view onlyCleared(permit, signature, renter, job, hashTerms(terms), value) {}
}

/// @title An attestation's hashes and its signer, written down a second time and in another language.
contract AttestationVectors {
    struct Attest {
        uint16 version;
        bytes32 schema;
        address recipient;
        uint64 time;
        uint64 expirationTime;
        bool revocable;
        bytes32 refUID;
        bytes data;
        bytes32 salt;
    }

    struct Domain {
        string version;
        uint256 chainId;
        address verifyingContract;
    }

    /// @return uid As EAS computes it off chain: the schema as the text of its hex digits.
    /// @return digest What the issuer signs.
    /// @return signer Zero when the signature holds for nobody.
    function hashes(Attest calldata said, Domain calldata domain, bytes calldata signature)
        external
        pure
        returns (bytes32 uid, bytes32 digest, address signer)
    {
        uid = _uid(said);
        digest = keccak256(abi.encodePacked(hex"1901", _separator(domain), _structHash(said)));
        (uint8 v, bytes32 r, bytes32 s) = ECDSA.parseCalldata(signature);
        (signer,,) = ECDSA.tryRecover(digest, v, r, s);
    }

    function _separator(Domain calldata domain) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("EAS Attestation"),
                keccak256(bytes(domain.version)),
                domain.chainId,
                domain.verifyingContract
            )
        );
    }

    function _structHash(Attest calldata said) private pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256(
                    "Attest(uint16 version,bytes32 schema,address recipient,uint64 time,uint64 expirationTime,"
                    "bool revocable,bytes32 refUID,bytes data,bytes32 salt)"
                ),
                said.version,
                said.schema,
                said.recipient,
                said.time,
                said.expirationTime,
                said.revocable,
                said.refUID,
                keccak256(said.data),
                said.salt
            )
        );
    }

    function _uid(Attest calldata said) private pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(
                said.version,
                _hexText(said.schema),
                said.recipient,
                address(0),
                said.time,
                said.expirationTime,
                said.revocable,
                said.refUID,
                said.data,
                said.salt,
                uint32(0)
            )
        );
    }

    function _hexText(bytes32 word) private pure returns (bytes memory made) {
        made = new bytes(66);
        (made[0], made[1]) = ("0", "x");
        for (uint256 i = 0; i < 32; ++i) {
            uint8 b = uint8(word[i]);
            made[2 + 2 * i] = _digit(b >> 4);
            made[3 + 2 * i] = _digit(b & 15);
        }
    }

    function _digit(uint8 n) private pure returns (bytes1) {
        return bytes1(n < 10 ? 48 + n : 87 + n);
    }
}
