// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IEASRevocations} from "kycgate/IEASRevocations.sol";
import {KYCGated} from "kycgate/KYCGated.sol";
import {KeyWindows} from "kycgate/KeyWindows.sol";

/// @title The one question that Superfluid's host answers for a callback.
interface IFlowHost {
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

    function decodeCtx(bytes calldata ctx) external view returns (Context memory);
}

/// @title A provider's receiving app: a flow starts only with a permit in its user data.
/// @notice Refuses before the flow is made. Ending a flow is never refused, whoever asks: a payee who
/// reverts there is jailed by Superfluid, and a renter must always be able to stop paying.
contract FlowGuard is KYCGated {
    IFlowHost public immutable host;
    address public immutable provider;

    mapping(bytes32 job => address renter) public renterOf;

    event FlowCleared(bytes32 indexed job, address indexed renter);

    error NotHost();
    error JobUsed();

    constructor(
        IFlowHost host_,
        address provider_,
        IEASRevocations eas_,
        address revoker_,
        address root_,
        address[] memory signers
    ) KYCGated(eas_, revoker_) KeyWindows(root_, 2 days, signers) {
        host = host_;
        provider = provider_;
    }

    /// @notice Superfluid asks before it makes a flow. User data: abi.encode(request, permit, signature).
    /// @return The job, for the callback after.
    function beforeAgreementCreated(
        address superToken,
        address,
        bytes32,
        bytes calldata,
        bytes calldata ctx
    ) external view returns (bytes memory) {
        require(msg.sender == address(host), NotHost());
        IFlowHost.Context memory context = host.decodeCtx(ctx);
        (bytes32 request, Permit memory permit, bytes memory signature) =
            abi.decode(context.userData, (bytes32, Permit, bytes));
        bytes32 terms = hashTerms(Terms(provider, superToken, request));
        require(renterOf[permit.job] == address(0), JobUsed());
        this.requireCleared(permit, signature, context.msgSender, terms);
        return abi.encode(permit.job, context.msgSender);
    }

    /// @notice Superfluid tells that the flow is made.
    function afterAgreementCreated(
        address,
        address,
        bytes32,
        bytes calldata,
        bytes calldata cbdata,
        bytes calldata ctx
    ) external returns (bytes memory) {
        require(msg.sender == address(host), NotHost());
        (bytes32 job, address renter) = abi.decode(cbdata, (bytes32, address));
        renterOf[job] = renter;
        emit FlowCleared(job, renter);
        return ctx;
    }

    /// @notice Reverts with the reason, unless the permit covers this flow and the renter is not
    /// revoked. A flow has no end and no sum: the permit's `maxValue` bounds nothing here.
    function requireCleared(
        Permit calldata permit,
        bytes calldata signature,
        address renter,
        bytes32 terms
    ) external view onlyUnrevoked(renter, permit.epoch) {
        _requirePermit(permit, signature, renter, permit.job, terms, 0);
    }
}
