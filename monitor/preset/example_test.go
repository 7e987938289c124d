package preset_test

import (
	"fmt"

	"maildrift/configs"
	"maildrift/monitor/preset"
)

func Example() {
	presets, err := preset.Load(configs.Presets)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := presets.Get("directmail")
	if err != nil {
		fmt.Println(err)
		return
	}
	expected, err := p.Expand("notice.example.com", map[string]string{"region": "ap-southeast-1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range expected {
		for _, line := range e.Publish {
			fmt.Println(line.Host, line.Type, line.Value)
		}
	}
	// Output:
	// notice TXT v=spf1 include:spfdm-ap-southeast-1.aliyun.com -all
	// aliyun-ap-southeast-1._domainkey.notice TXT <DKIM record from the console>
	// _dmarc.notice TXT v=DMARC1;p=none;rua=mailto:dmarc_report@service.aliyun.com
	// notice MX 10 mxdm-ap-southeast-1.aliyun.com
}
