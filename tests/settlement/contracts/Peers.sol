// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title The shape of VM-on-Golem's StreamPayment, as far as the example needs it. For tests.
contract StreamPaymentShape {
    struct Stream {
        address token;
        address sender;
        address recipient;
        uint128 startTime;
        uint128 stopTime;
        uint128 ratePerSecond;
        uint256 deposit;
        uint256 withdrawn;
        bool halted;
    }

    address public oracle;
    uint256 private count;
    mapping(uint256 id => Stream) public streams;

    function setOracle(address oracle_) external {
        oracle = oracle_;
    }

    function createStream(address token, address recipient, uint256 deposit, uint128 ratePerSecond)
        external
        payable
        returns (uint256 id)
    {
        id = ++count;
        uint128 start = uint128(block.timestamp);
        uint128 stop = start + uint128(deposit / ratePerSecond);
        streams[id] =
            Stream(token, msg.sender, recipient, start, stop, ratePerSecond, deposit, 0, false);
        IERC20(token).transferFrom(msg.sender, address(this), deposit);
    }

    function haltStream(uint256 id) external {
        require(msg.sender == oracle, "not oracle");
        Stream storage stream = streams[id];
        stream.halted = true;
        if (block.timestamp < stream.stopTime) stream.stopTime = uint128(block.timestamp);
    }

    function terminate(uint256 id) external {
        Stream storage stream = streams[id];
        require(msg.sender == stream.sender || msg.sender == stream.recipient, "no party");
        uint256 owed = vested(id) - stream.withdrawn;
        uint256 rest = stream.deposit - vested(id);
        stream.withdrawn = stream.deposit;
        IERC20(stream.token).transfer(stream.recipient, owed);
        IERC20(stream.token).transfer(stream.sender, rest);
    }

    function withdraw(uint256 id) external {
        Stream storage stream = streams[id];
        uint256 owed = vested(id) - stream.withdrawn;
        stream.withdrawn += owed;
        IERC20(stream.token).transfer(stream.recipient, owed);
    }

    function vested(uint256 id) public view returns (uint256) {
        Stream storage stream = streams[id];
        uint256 until = block.timestamp < stream.stopTime ? block.timestamp : stream.stopTime;
        return (until - stream.startTime) * stream.ratePerSecond;
    }
}

/// @title Asks a payee as Superfluid's host does, with a context that says who pays. For tests.
contract FlowHostShape {
    struct Context {
        uint8 appCallbackLevel;
        uint8 callType;
        uint256 timestamp;
        address msgSender;
        bytes4 agreementSelector;
        bytes userData;
        uint256 appCreditGranted;
        uint256 appCreditWantedDeprecated;
        int256 appCreditUsed;
        address appAddress;
        address appCreditToken;
    }

    function decodeCtx(bytes calldata ctx) external pure returns (Context memory) {
        return abi.decode(ctx, (Context));
    }

    function createFlow(address superToken, IPayee receiver, bytes calldata userData) external {
        bytes memory ctx = abi.encode(
            Context(
                0, 0, block.timestamp, msg.sender, 0, userData, 0, 0, 0, address(0), address(0)
            )
        );
        bytes memory cbdata =
            receiver.beforeAgreementCreated(superToken, address(this), 0, "", ctx);
        receiver.afterAgreementCreated(superToken, address(this), 0, "", cbdata, ctx);
    }
}

interface IPayee {
    function beforeAgreementCreated(address, address, bytes32, bytes calldata, bytes calldata)
        external
        view
        returns (bytes memory);
    function afterAgreementCreated(
        address,
        address,
        bytes32,
        bytes calldata,
        bytes calldata,
        bytes calldata
    ) external returns (bytes memory);
}
