// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IEASRevocations} from "kycgate/IEASRevocations.sol";
import {KYCGated} from "kycgate/KYCGated.sol";
import {KeyWindows} from "kycgate/KeyWindows.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title The part of a stream contract with an oracle (VM-on-Golem's StreamPayment) that is used here.
interface IStreamPayment {
    function createStream(address token, address recipient, uint256 deposit, uint128 ratePerSecond)
        external
        payable
        returns (uint256 stream);
    function haltStream(uint256 stream) external;
    function terminate(uint256 stream) external;
    function streams(uint256 stream)
        external
        view
        returns (
            address token,
            address sender,
            address recipient,
            uint128 startTime,
            uint128 stopTime,
            uint128 ratePerSecond,
            uint256 deposit,
            uint256 withdrawn,
            bool halted
        );
}

/// @title The oracle of a stream contract: opens streams for cleared renters, halts them on revocation.
/// @notice For a stream contract that stays as it is. Name this contract its oracle, and let providers
/// serve only streams that this contract sent.
contract OracleStream is KYCGated {
    using SafeERC20 for IERC20;

    struct Stream {
        address renter;
        uint64 epoch;
        uint256 id;
    }

    mapping(bytes32 job => Stream) public streamOf;

    event Opened(bytes32 indexed job, uint256 stream);
    event Halted(bytes32 indexed job, uint256 stream);
    event Ended(bytes32 indexed job, uint256 refunded);

    error JobUsed();
    error NotRevoked();
    error NotRenter();

    IStreamPayment public immutable payments;

    constructor(
        IStreamPayment payments_,
        IEASRevocations eas_,
        address revoker_,
        address root_,
        address[] memory signers
    ) KYCGated(eas_, revoker_) KeyWindows(root_, 2 days, signers) {
        payments = payments_;
    }

    /// @notice Open the renter's stream under their permit; `request` as in its terms.
    function open(
        bytes32 job,
        Terms calldata terms,
        uint256 deposit,
        uint128 ratePerSecond,
        Permit calldata permit,
        bytes calldata signature
    ) external onlyCleared(permit, signature, msg.sender, job, hashTerms(terms), deposit) {
        require(streamOf[job].renter == address(0), JobUsed());
        streamOf[job] = Stream(msg.sender, permit.epoch, 0);
        IERC20(terms.token).safeTransferFrom(msg.sender, address(this), deposit);
        IERC20(terms.token).forceApprove(address(payments), deposit);
        uint256 id = payments.createStream(terms.token, terms.provider, deposit, ratePerSecond);
        streamOf[job].id = id;
        emit Opened(job, id);
    }

    /// @notice Stop a revoked renter's stream: what vested is the provider's, no more vests. Anyone
    /// may call.
    function halt(bytes32 job) external {
        Stream memory stream = streamOf[job];
        require(revokedAt(stream.renter, stream.epoch) != 0, NotRevoked());
        payments.haltStream(stream.id);
        emit Halted(job, stream.id);
    }

    /// @notice The renter ends their stream and takes what did not vest; not while revoked.
    function end(bytes32 job) external {
        Stream memory stream = streamOf[job];
        require(msg.sender == stream.renter, NotRenter());
        require(revokedAt(stream.renter, stream.epoch) == 0, RevokedEpoch());
        (address token,,,,,,,,) = payments.streams(stream.id);
        uint256 before = IERC20(token).balanceOf(address(this));
        payments.terminate(stream.id);
        uint256 refunded = IERC20(token).balanceOf(address(this)) - before;
        IERC20(token).safeTransfer(stream.renter, refunded);
        emit Ended(job, refunded);
    }
}
