/// Files as people have them.
enum Samples {
    /// Every field of the API's current version, each with a value that says something.
    static let full = """
        apiVersion: kubeproxy.config.k8s.io/v1alpha1
        kind: KubeProxyConfiguration
        featureGates: {AllowServiceExternalIPs: false, KubeProxyNFTablesLocalhostNodePorts: true}
        clientConnection:
          kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
          acceptContentTypes: application/json
          contentType: application/vnd.kubernetes.protobuf
          qps: 5
          burst: 10
        logging:
          format: json
          flushFrequency: 5s
          verbosity: 4
          vmodule: [{filePattern: proxier, verbosity: 6}]
          options:
            text: {splitStream: true, infoBufferSize: "1Ki"}
            json: {splitStream: true, infoBufferSize: "1Ki"}
        hostnameOverride: Node-7
        bindAddress: 0.0.0.0
        healthzBindAddress: 192.0.2.7:20256
        metricsBindAddress: "[::]:20249"
        bindAddressHardFail: true
        enableProfiling: true
        showHiddenMetricsForVersion: "1.35"
        mode: nftables
        iptables:
          masqueradeBit: 14
          masqueradeAll: true
          localhostNodePorts: true
          snatNodeInternalIP: true
          syncPeriod: 1m0s
          minSyncPeriod: 1s
        ipvs:
          syncPeriod: 2m0s
          minSyncPeriod: 1s
          scheduler: rr
          excludeCIDRs: [192.0.2.0/24]
          strictARP: true
          tcpTimeout: 900s
          tcpFinTimeout: 120s
          udpTimeout: 300s
        nftables:
          masqueradeBit: 14
          masqueradeAll: true
          syncPeriod: 1m15s
          minSyncPeriod: 1s
        winkernel:
          networkName: l2bridge
          sourceVip: 192.0.2.9
          enableDSR: true
          rootHnsEndpointName: cbr0
          forwardHealthCheckVip: true
        detectLocalMode: InterfaceNamePrefix
        detectLocal: {bridgeInterface: cni0, interfaceNamePrefix: veth}
        clusterCIDR: 10.244.0.0/16,fd00:244::/48
        nodePortAddresses: [primary, 192.168.0.0/16]
        oomScoreAdj: -500
        conntrack:
          maxPerCore: 32768
          min: 131072
          tcpEstablishedTimeout: 24h0m0s
          tcpCloseWaitTimeout: 1h0m0s
          tcpBeLiberal: true
          udpTimeout: 30s
          udpStreamTimeout: 180s
        configSyncPeriod: 15m0s
        portRange: 30000-32767
        windowsRunAsService: true

        """

    static let fullWithoutEffect = """
        iptables.localhostNodePorts, iptables.masqueradeBit, iptables.minSyncPeriod, iptables.snatNodeInternalIP, \
        ipvs.excludeCIDRs, ipvs.minSyncPeriod, ipvs.scheduler, ipvs.strictARP, ipvs.tcpFinTimeout, ipvs.tcpTimeout, \
        ipvs.udpTimeout, mode, nftables.masqueradeBit, nftables.minSyncPeriod: swiftlet has one mode, which needs no \
        iptables, IPVS or nftables; \
        conntrack.maxPerCore, conntrack.min, conntrack.tcpBeLiberal: the kernel's connection tracking is left as it \
        is; \
        clientConnection.acceptContentTypes, clientConnection.burst, clientConnection.contentType, \
        clientConnection.qps, configSyncPeriod: changes are watched, and written at once; \
        logging.flushFrequency, logging.options.json.infoBufferSize, logging.options.json.splitStream, \
        logging.options.text.infoBufferSize, logging.options.text.splitStream, logging.vmodule: log lines go to \
        standard error, unbuffered, at one level; \
        bindAddressHardFail, portRange: no port is held open for a Service; node addresses come from the Node object; \
        enableProfiling, showHiddenMetricsForVersion: no metric is hidden, and there is no profiling endpoint; \
        windowsRunAsService, winkernel.enableDSR, winkernel.forwardHealthCheckVip, winkernel.networkName, \
        winkernel.rootHnsEndpointName, winkernel.sourceVip: it is for Windows; \
        feature gate KubeProxyNFTablesLocalhostNodePorts: swiftlet has no such feature gate
        """

    /// With zero values all over, as Go writes them.
    static let kubeadm = """
        apiVersion: kubeproxy.config.k8s.io/v1alpha1
        bindAddress: 0.0.0.0
        bindAddressHardFail: false
        clientConnection:
          acceptContentTypes: ""
          burst: 0
          contentType: ""
          kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
          qps: 0
        clusterCIDR: 10.244.0.0/16
        configSyncPeriod: 0s
        conntrack:
          maxPerCore: null
          min: null
          tcpBeLiberal: false
          tcpCloseWaitTimeout: null
          tcpEstablishedTimeout: null
          udpStreamTimeout: 0s
          udpTimeout: 0s
        detectLocal:
          bridgeInterface: ""
          interfaceNamePrefix: ""
        detectLocalMode: ""
        enableProfiling: false
        healthzBindAddress: ""
        hostnameOverride: ""
        iptables:
          localhostNodePorts: null
          masqueradeAll: false
          masqueradeBit: null
          minSyncPeriod: 0s
          syncPeriod: 0s
        ipvs:
          excludeCIDRs: null
          minSyncPeriod: 0s
          scheduler: ""
          strictARP: false
          syncPeriod: 0s
          tcpFinTimeout: 0s
          tcpTimeout: 0s
          udpTimeout: 0s
        kind: KubeProxyConfiguration
        logging:
          flushFrequency: 0
          options:
            json:
              infoBufferSize: "0"
            text:
              infoBufferSize: "0"
          verbosity: 0
        metricsBindAddress: ""
        mode: ""
        nftables:
          masqueradeAll: false
          masqueradeBit: null
          minSyncPeriod: 0s
          syncPeriod: 0s
        nodePortAddresses: null
        oomScoreAdj: null
        portRange: ""
        showHiddenMetricsForVersion: ""
        winkernel:
          enableDSR: false
          forwardHealthCheckVip: false
          networkName: ""
          rootHnsEndpointName: ""
          sourceVip: ""

        """
}
