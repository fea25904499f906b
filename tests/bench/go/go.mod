module kycgate.local/yardstick

go 1.25
