// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";

/// @title The smallest contract account: one key signs for it.
contract Wallet {
    address public immutable owner;

    constructor(address owner_) {
        owner = owner_;
    }

    receive() external payable {}

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (address signer,,) = ECDSA.tryRecoverCalldata(hash, signature);
        return signer == owner ? this.isValidSignature.selector : bytes4(0xffffffff);
    }

    function execute(address to, uint256 value, bytes calldata data) external {
        require(msg.sender == owner);
        (bool done, bytes memory answer) = to.call{value: value}(data);
        if (!done) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
    }
}

/// @title Puts a wallet at an address that is known before.
contract WalletFactory {
    function create(address owner, bytes32 salt) external returns (address) {
        return address(new Wallet{salt: salt}(owner));
    }

    function addressOf(address owner, bytes32 salt) external view returns (address) {
        bytes memory code = abi.encodePacked(type(Wallet).creationCode, abi.encode(owner));
        return Create2.computeAddress(salt, keccak256(code));
    }
}

/// @title Code of an EIP-7702 account that knows no ERC-1271.
contract Silent {
    receive() external payable {}
}

/// @title Answers every question with one word, whatever it was.
contract Answers {
    bytes32 private immutable word;

    constructor(bytes32 word_) {
        word = word_;
    }

    fallback() external payable {
        bytes32 answer = word;
        assembly {
            mstore(0, answer)
            return(0, 32)
        }
    }
}

/// @title Burns all the gas it is given.
contract Burns {
    fallback() external payable {
        assembly {
            invalid()
        }
    }
}
